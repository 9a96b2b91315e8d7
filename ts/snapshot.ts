import { inspect } from 'node:util';
import { keyList } from './arguments/iterables.js';
import { checkKey } from './arguments/keys.js';
import { rejection } from './errors/rejection.js';
import { PageIterator } from './iteration/page-iterator.js';
import { ViewSource } from './iteration/view-source.js';
import { keysText } from './native/batch-text.js';
import type { PageContent } from './native/interface.js';
import { decodeFound, decodeMany, itself, parseKeys } from './native/results.js';
import type { LeasedView } from './native/view.js';
import { rangeText, toRange } from './range/range.js';
import type { Range, StorageIterator } from './types.js';

/**
 * A read-only view of one moment of a store, which later writes do not change. The store keeps what was deleted since
 * as long as the snapshot is open, so close it. After `close()`, and after the engine's disconnect, its methods reject
 * with CLOSED.
 *
 * @example
 * const snapshot = await engine.snapshot();
 * try {
 *   for await (const [key, value] of snapshot.entries()) console.log(key, value);
 * } finally {
 *   await snapshot.close();
 * }
 */
export class Snapshot implements AsyncDisposable {
  readonly #view: LeasedView;

  /** @internal */
  constructor(view: LeasedView) {
    this.#view = view;
  }

  /** The value of a key, or null if it was absent. */
  get<T = unknown>(key: string): Promise<T | null> {
    return this.#try('get', () => this.#view.read('get', checked(key, 'get'), decodeFound<T>));
  }

  /** Whether a key was there. */
  has(key: string): Promise<boolean> {
    return this.#try('has', () => this.#view.read('has', checked(key, 'has'), itself<boolean>));
  }

  /** The keys of a range, in order. */
  keys(query?: string | Range): Promise<string[]> {
    return this.#try('keys', () => this.#view.read('keys', rangeText(toRange(query, 'keys')), parseKeys));
  }

  /** How many keys a range held. */
  count(query?: string | Range): Promise<number> {
    return this.#try('count', () => this.#view.read('count', rangeText(toRange(query, 'count')), itself<number>));
  }

  /** The values of many keys, in their order, null for those that were absent. */
  getMany<T = unknown>(keys: Iterable<string>): Promise<(T | null)[]> {
    return this.#try('getMany', () => {
      const list = keyList(keys, 'getMany', checkKey);
      return list.length === 0 ? Promise.resolve([]) : this.#view.read('getMany', keysText(list), decodeMany<T>);
    });
  }

  /** The keys and values of a range, lazily and in order. */
  entries<T = unknown>(query?: string | Range): StorageIterator<[string, T]> {
    return this.#iterate(query, 'entries');
  }

  /** The values of a range, lazily and in the order of their keys. */
  values<T = unknown>(query?: string | Range): StorageIterator<T> {
    return this.#iterate(query, 'values');
  }

  /** The keys of a range, lazily and in order. */
  keysIterator(query?: string | Range): StorageIterator<string> {
    return this.#iterate(query, 'keys');
  }

  /** Frees what the snapshot holds. Closing it again does nothing. */
  close(): Promise<void> {
    this.#view.close();
    return Promise.resolve();
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Shows the engine's name only. */
  [inspect.custom](): string {
    return `Snapshot { engine: '${this.#view.lease.engine}' }`;
  }

  #iterate<T>(query: string | Range | undefined, what: PageContent): StorageIterator<T> {
    let limit: number | undefined;
    let failure: unknown;
    let text = '';
    try {
      const range = toRange(query, what);
      limit = range.limit;
      text = rangeText(range);
    } catch (error) {
      failure = error;
    }
    return new PageIterator<T>(async () => {
      if (failure !== undefined) throw failure as Error;
      return new ViewSource<T>(this.#view, text, what, 0, false);
    }, limit);
  }

  #try<T>(operation: string, read: () => Promise<T>): Promise<T> {
    try {
      return read();
    } catch (error) {
      return rejection(error, { engine: this.#view.lease.engine, operation });
    }
  }
}

function checked(key: unknown, operation: string): string {
  checkKey(key, operation);
  return key;
}
