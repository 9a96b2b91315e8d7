import { compareKeys } from '../range/key-order.js';
import type { Range } from '../types.js';
import { keyOf, nameOf } from './keys.js';
import type { Format } from './keys.js';

/** The range options of abstract-level, encoded. */
export interface LevelRange {
  gt?: string | Buffer;
  gte?: string | Buffer;
  lt?: string | Buffer;
  lte?: string | Buffer;
  reverse: boolean;
  /** -1: no limit. */
  limit: number;
}

/** Bounds of one interval, as keys of the engine. */
export type Bounds = Pick<Range, 'prefix' | 'gt' | 'gte' | 'lt' | 'lte'>;

/** The part of an engine that holds a database: which key lies where. */
export class Folder {
  /** @param path - Ends in `/`. */
  constructor(readonly path: string) {}

  /** The engine's key of a key. */
  place(key: string | Buffer): string {
    return this.path + nameOf(key);
  }

  /** The key that an engine's key stands for. */
  key(place: string, format: Format): string | Buffer {
    return keyOf(place.slice(this.path.length), format);
  }

  /** As abstract-level has it, `gte` and `lte` count before `gt` and `lt`. */
  bounds({ gt, gte, lt, lte }: LevelRange): Bounds {
    return {
      prefix: this.path,
      ...(gte !== undefined ? { gte: this.place(gte) } : gt !== undefined && { gt: this.place(gt) }),
      ...(lte !== undefined ? { lte: this.place(lte) } : lt !== undefined && { lt: this.place(lt) }),
    };
  }
}

/** What of `bounds` begins at `place`, in the direction of `reverse`; undefined if `place` lies outside. */
export function startingAt(bounds: Bounds, place: string, reverse: boolean): Bounds | undefined {
  const { gt, gte, lt, lte } = bounds;
  const inside =
    (gt === undefined || compareKeys(place, gt) > 0) &&
    (gte === undefined || compareKeys(place, gte) >= 0) &&
    (lt === undefined || compareKeys(place, lt) < 0) &&
    (lte === undefined || compareKeys(place, lte) <= 0);
  if (!inside) return undefined;
  return reverse ? { ...bounds, lt: undefined, lte: place } : { ...bounds, gt: undefined, gte: place };
}
