import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level';
import type { InternalEngine } from '../engines/internal-engine.js';
import type { PageContent } from '../native/interface.js';
import { Cursor } from './cursor.js';
import type { Folder, LevelRange } from './folder.js';
import type { Format } from './keys.js';
import { toFormat } from './values.js';

/** The options of the private calls that make iterators. */
export interface IteratorOptions extends LevelRange {
  keys?: boolean;
  values?: boolean;
  keyEncoding: Format;
  valueEncoding: Format;
  snapshot?: unknown;
  signal?: AbortSignal;
}

/** The database of an iterator. */
export interface IteratorHost {
  readonly engine: InternalEngine;
  readonly folder: Folder;
}

type Encoded = string | Buffer;

// The declarations of abstract-level leave out what the authors of databases override and use.
interface Common {
  readonly count: number;
  readonly limit: number;
}
type Constructor = abstract new (db: unknown, options: IteratorOptions) => Common;

/** The most items that are decoded ahead of `next()`. */
const AHEAD = 1000;

/**
 * Adds the reading to one of the three iterator classes of abstract-level. The engine gives items of type `T`, and
 * abstract-level takes items of type `R`.
 */
function reading<T, R>(
  Base: Constructor,
  contentOf: (options: IteratorOptions) => PageContent,
  mapOf: (folder: Folder, options: IteratorOptions) => (item: T) => R,
) {
  return class extends Base {
    readonly #folder: Folder;
    readonly #cursor: Cursor<T>;
    readonly #map: (item: T) => R;
    #ready: T[] = [];
    #at = 0;

    constructor(db: unknown, { engine, folder }: IteratorHost, options: IteratorOptions) {
      super(db, options);
      const { reverse, snapshot, signal } = options;
      this.#folder = folder;
      this.#cursor = new Cursor(engine, {
        what: contentOf(options),
        bounds: folder.bounds(options),
        reverse,
        snapshot,
        signal,
      });
      this.#map = mapOf(folder, options);
    }

    async _next(): Promise<R | undefined> {
      if (this.#at >= this.#ready.length) {
        this.#ready = await this.#cursor.take(AHEAD, this.limit - this.count);
        this.#at = 0;
        if (this.#ready.length === 0) return undefined;
      }
      return this.#map(this.#ready[this.#at++]);
    }

    async _nextv(size: number): Promise<R[]> {
      const ready = this.#ready.slice(this.#at, this.#at + size);
      this.#at += ready.length;
      const left = this.limit - this.count - ready.length;
      const more = ready.length < size ? await this.#cursor.fill(size - ready.length, left) : [];
      return [...ready, ...more].map(this.#map);
    }

    async _all(): Promise<R[]> {
      const left = this.limit - this.count;
      const items: R[] = [];
      for (;;) {
        const part = await this._nextv(Math.min(AHEAD, left - items.length));
        for (const item of part) items.push(item);
        if (part.length < AHEAD || items.length >= left) return items;
      }
    }

    _seek(target: Encoded): void {
      this.#forget();
      this.#cursor.seek(this.#folder.engineKey(target));
    }

    _close(): Promise<void> {
      this.#forget();
      return this.#cursor.close();
    }

    #forget(): void {
      this.#ready = [];
      this.#at = 0;
    }
  };
}

/** Iterates over entries. It reads keys or values alone if the others are not asked for. */
export const EntryIterator = reading<unknown, [Encoded | undefined, Encoded | undefined]>(
  AbstractIterator as unknown as Constructor,
  ({ keys, values }) => (values === false ? 'keys' : keys === false ? 'values' : 'entries'),
  (folder, { keys, values, keyEncoding, valueEncoding }) => {
    if (values === false) return (key) => [folder.levelKey(key as string, keyEncoding), undefined];
    if (keys === false) return (value) => [undefined, toFormat(value, valueEncoding)];
    return (entry) => {
      const [key, value] = entry as [string, unknown];
      return [folder.levelKey(key, keyEncoding), toFormat(value, valueEncoding)];
    };
  },
);

/** Iterates over keys. */
export const KeyIterator = reading<string, Encoded>(
  AbstractKeyIterator as unknown as Constructor,
  () => 'keys',
  (folder, { keyEncoding }) =>
    (key) =>
      folder.levelKey(key, keyEncoding),
);

/** Iterates over values. */
export const ValueIterator = reading<unknown, Encoded>(
  AbstractValueIterator as unknown as Constructor,
  () => 'values',
  (_, { valueEncoding }) =>
    (value) =>
      toFormat(value, valueEncoding),
);
