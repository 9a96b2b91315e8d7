import { compareKeys } from '../range/key-order.js';
import type { Range } from '../types.js';
import { keyOf, nameOf } from './keys.js';
import type { Format } from './keys.js';

/** The range options of abstract-level, with encoded keys. */
export interface LevelRange {
  gt?: string | Buffer;
  gte?: string | Buffer;
  lt?: string | Buffer;
  lte?: string | Buffer;
  reverse: boolean;
  /** -1: no limit. */
  limit: number;
}

/** The bounds of an interval of engine keys. */
export type Bounds = Pick<Range, 'prefix' | 'gt' | 'gte' | 'lt' | 'lte'>;

/** The folder of an engine that holds a database. It translates level keys to engine keys and back. */
export class Folder {
  /** @param path - Ends in `/`. */
  constructor(readonly path: string) {}

  /** The engine key of a level key. */
  engineKey(key: string | Buffer): string {
    return this.path + nameOf(key);
  }

  /** The level key of an engine key. */
  levelKey(engineKey: string, format: Format): string | Buffer {
    return keyOf(engineKey.slice(this.path.length), format);
  }

  /** The bounds of a range. As in abstract-level, `gte` and `lte` count before `gt` and `lt`. */
  bounds({ gt, gte, lt, lte }: LevelRange): Bounds {
    return {
      prefix: this.path,
      ...(gte !== undefined ? { gte: this.engineKey(gte) } : gt !== undefined && { gt: this.engineKey(gt) }),
      ...(lte !== undefined ? { lte: this.engineKey(lte) } : lt !== undefined && { lt: this.engineKey(lt) }),
    };
  }
}

/** The part of `bounds` that begins at `key`, in the direction of `reverse`; undefined if `key` lies outside. */
export function startingAt(bounds: Bounds, key: string, reverse: boolean): Bounds | undefined {
  const { gt, gte, lt, lte } = bounds;
  const inside =
    (gt === undefined || compareKeys(key, gt) > 0) &&
    (gte === undefined || compareKeys(key, gte) >= 0) &&
    (lt === undefined || compareKeys(key, lt) < 0) &&
    (lte === undefined || compareKeys(key, lte) <= 0);
  if (!inside) return undefined;
  return reverse ? { ...bounds, lt: undefined, lte: key } : { ...bounds, gt: undefined, gte: key };
}
