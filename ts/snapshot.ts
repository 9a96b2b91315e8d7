import { inspect } from 'node:util';
import { abortable } from './abort.js';
import { DATA_METHODS, refuseExtraArguments } from './arguments/arity.js';
import { keyList } from './arguments/iterables.js';
import { checkKey } from './arguments/keys.js';
import { signalOf } from './arguments/shapes.js';
import { rejection } from './errors/rejection.js';
import { PageIterator } from './iteration/page-iterator.js';
import { ViewSource } from './iteration/view-source.js';
import { keysText } from './native/batch-text.js';
import { cancelCall } from './native/call-queue.js';
import type { CallHandle } from './native/call-queue.js';
import type { PageContent } from './native/interface.js';
import { decodeFound, decodeMany, itself, parseKeys } from './native/results.js';
import type { Decode } from './native/results.js';
import type { LeasedView, ReadOperation } from './native/view.js';
import { rangeText, toRange } from './range/range.js';
import type { AbortOptions, Entry, Range, StorageIterator } from './types.js';

const { get, has, getEntry, keys, count, getMany } = DATA_METHODS.promises;
const SNAPSHOT_METHODS = {
  promises: { get, has, getEntry, keys, count, getMany, close: '' },
  iterators: DATA_METHODS.iterators,
};

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

  static {
    refuseExtraArguments(this, SNAPSHOT_METHODS);
  }

  /** @internal */
  constructor(view: LeasedView) {
    this.#view = view;
  }

  /** The value of a key, or null if it was absent. */
  get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null> {
    return this.#read('get', options, () => checked(key, 'get'), decodeFound<T>);
  }

  /** Whether a key was there. */
  has(key: string, options?: AbortOptions): Promise<boolean> {
    return this.#read('has', options, () => checked(key, 'has'), itself<boolean>);
  }

  /** The record of a key with its version, times, expiry and metadata; null if it was absent. */
  getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null> {
    return this.#read('getEntry', options, () => checked(key, 'getEntry'), decodeFound<Entry<T>>);
  }

  /** The keys of a range, in order. */
  keys(query?: string | Range, options?: AbortOptions): Promise<string[]> {
    return this.#read('keys', options, () => rangeText(toRange(query, 'keys')), parseKeys);
  }

  /** How many keys a range held. */
  count(query?: string | Range, options?: AbortOptions): Promise<number> {
    return this.#read('count', options, () => rangeText(toRange(query, 'count')), itself<number>);
  }

  /** The values of many keys, in their order, null for those that were absent. */
  getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]> {
    const argument = (): string => keysText(keyList(keys, 'getMany', checkKey));
    return this.#read('getMany', options, argument, decodeMany<T>);
  }

  /** The keys and values of a range, lazily and in order. */
  entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]> {
    return this.#iterate(query, 'entries', options);
  }

  /** The values of a range, lazily and in the order of their keys. */
  values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T> {
    return this.#iterate(query, 'values', options);
  }

  /** The keys of a range, lazily and in order. */
  keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string> {
    return this.#iterate(query, 'keys', options);
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

  #iterate<T>(query: string | Range | undefined, what: PageContent, options?: AbortOptions): StorageIterator<T> {
    const { engine } = this.#view.lease;
    try {
      const signal = signalOf(what, options);
      const range = toRange(query, what);
      const text = rangeText(range);
      const open = (): Promise<ViewSource<T>> => Promise.resolve(new ViewSource<T>(this.#view, text, what, 0, false));
      return new PageIterator<T>(open, range.limit, signal && { signal, engine, operation: what });
    } catch (error) {
      return new PageIterator<T>(() => rejection(error, { engine, operation: what }));
    }
  }

  #read<T>(
    operation: ReadOperation,
    options: AbortOptions | undefined,
    argument: () => string,
    decodeResult: Decode<T>,
  ): Promise<T> {
    const { engine } = this.#view.lease;
    try {
      const text = argument();
      const signal = signalOf(operation, options);
      const handle: CallHandle = {};
      const start = (): Promise<T> => this.#view.read(operation, text, decodeResult, handle);
      return abortable(signal, engine, operation, start, (error) => cancelCall(handle, error));
    } catch (error) {
      return rejection(error, { engine, operation });
    }
  }
}

function checked(key: unknown, operation: string): string {
  checkKey(key, operation);
  return key;
}
