import { inspect } from 'node:util';
import { DATA_METHODS, ENGINE_METHODS, refuseExtraArguments } from '../arguments/arity.js';
import { checkPair, iterated } from '../arguments/iterables.js';
import { signalOf } from '../arguments/shapes.js';
import { describeKind } from '../codec/kinds.js';
import type { DataMethods, StorageEngine } from '../engines/contract.js';
import { toDataMethods } from '../engines/custom/wrap.js';
import type { Access } from '../engines/data/access.js';
import { rejection } from '../errors/rejection.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { access } from '../internal.js';
import { PageIterator } from '../iteration/page-iterator.js';
import type { PageContent } from '../native/interface.js';
import { toDeletion } from '../range/deletion.js';
import { within } from '../range/prefix.js';
import { toRange } from '../range/range.js';
import { isReserved } from '../range/reserved.js';
import type {
  AbortOptions,
  CompareAndSetResult,
  DeleteOptions,
  Entry,
  Range,
  RecordOptions,
  SetManyOptions,
  SetOptions,
  StorageIterator,
} from '../types.js';
import { watching } from '../watch/iterator.js';
import { checkedOptions, watchedRange } from '../watch/options.js';
import type { WatchIterator, WatchOptions } from '../watch/types.js';
import type { EntryOf, KeyOf, NumberKeyOf, ValueAt, ValueOf } from './value-types.js';

const { getMany: mget, setMany: mset, deleteMany: _deleteMany, batch: _batch, ...shared } = DATA_METHODS.promises;
const METHODS = {
  promises: { ...shared, mget, mset },
  iterators: DATA_METHODS.iterators,
  watches: ENGINE_METHODS.watches,
};

/**
 * Keys and values under a prefix of an engine. Stores of one engine do not see each other's keys, except that a prefix
 * `p/q` lies inside `p` as a folder does. Every method rejects as the engine's method does.
 *
 * @typeParam Value - The type of the store's values, or a {@link KeyMap} with the type of each key. TypeScript alone
 * checks it; nothing is checked when the program runs.
 * @example
 * const settings = new KeyValueStore(engine, 'settings'); // or storage.keyValue('settings')
 * await settings.set('theme', 'dark');
 * await settings.keys(); // ['theme']; the engine calls it 'settings/theme'
 */
export class KeyValueStore<Value = unknown> {
  readonly #engine: DataMethods;
  readonly #access: Access;
  /** The prefix with a `/` after it; empty without a prefix. */
  readonly #folder: string;

  static {
    refuseExtraArguments(this, METHODS);
  }

  /**
   * @param engine - An engine, also one of your own, or a transaction, or `tx.engine(name)`.
   * @param prefix - The folder of the keys, without a `/` at its end. Default: `''`, the whole engine except the
   * folders of the other models.
   * @throws StorageTypeError for anything else.
   */
  constructor(engine: StorageEngine | DataMethods, prefix: string = '') {
    if (typeof prefix !== 'string')
      throw new StorageTypeError(`Expected the prefix of a KeyValueStore to be a string, got ${describeKind(prefix)}`);
    if (!prefix.isWellFormed())
      throw new StorageError('INVALID_KEY', 'The prefix of a KeyValueStore holds a lone surrogate');
    const data = toDataMethods(engine);
    this.#engine = data;
    this.#access = data[access];
    this.#folder = prefix === '' ? '' : `${prefix}/`;
  }

  /** The prefix that was given. */
  get prefix(): string {
    return this.#folder.slice(0, -1);
  }

  /** The value of a key, or null if it is absent. */
  get<Key extends KeyOf<Value>>(key: Key, options?: AbortOptions): Promise<ValueAt<Value, Key> | null> {
    return this.#engine.get(this.#engineKey(key), options);
  }

  /**
   * Writes a value. Options are those of {@link Engine}'s `set`: `ttl`, `expiresAt`, `metadata`, `ifVersion`,
   * `ifAbsent`, `signal`.
   */
  set<Key extends KeyOf<Value>>(key: Key, value: ValueAt<Value, Key>, options?: SetOptions): Promise<void> {
    return this.#engine.set(this.#engineKey(key), value, options);
  }

  /** Removes a key. True: the key was there. With `ifVersion`, only if the key has that version, else CONFLICT. */
  delete(key: KeyOf<Value>, options?: DeleteOptions): Promise<boolean> {
    return this.#engine.delete(this.#engineKey(key), options);
  }

  /** Whether a key is there. */
  has(key: KeyOf<Value>, options?: AbortOptions): Promise<boolean> {
    return this.#engine.has(this.#engineKey(key), options);
  }

  /** The values of many keys, in their order, null for those that are absent. */
  mget<Key extends KeyOf<Value>>(keys: Iterable<Key>, options?: AbortOptions): Promise<(ValueAt<Value, Key> | null)[]> {
    return this.#try('mget', () => {
      const engineKeys = iterated(keys, 'mget', 'keys').map((key) => this.#engineKey(key));
      return this.#engine.getMany(engineKeys, options);
    });
  }

  /**
   * Writes many entries, all or none where the engine's `capabilities.atomicBatch`.
   *
   * @example
   * await settings.mset([['theme', 'dark'], ['size', 12]]);
   */
  mset(entries: Iterable<Readonly<EntryOf<Value>>>, options?: SetManyOptions): Promise<void> {
    return this.#try('mset', () => {
      const stored = iterated(entries, 'mset', '[key, value] pairs').map((entry): [string, unknown] => {
        checkPair(entry, 'mset');
        return [this.#engineKey(entry[0]), entry[1]];
      });
      return this.#engine.setMany(stored, options);
    });
  }

  /**
   * The store's keys of a range, in order and without the prefix.
   *
   * @param query - A glob over the keys without the prefix, or a range of them. Default: all.
   */
  keys(query?: string | Range, options?: AbortOptions): Promise<KeyOf<Value>[]> {
    return this.#try('keys', async () => {
      const keys = await this.#access.keys(this.#within(query, 'keys'), signalOf('keys', options));
      const { length } = this.#folder;
      return (length === 0 ? keys : keys.map((key) => key.slice(length))) as KeyOf<Value>[];
    });
  }

  /** How many keys of the store a range holds. */
  count(query?: string | Range, options?: AbortOptions): Promise<number> {
    return this.#try('count', () => this.#access.count(this.#within(query, 'count'), signalOf('count', options)));
  }

  /**
   * Removes the store's own keys of a range, in one step where the engine's `capabilities.atomicClear`.
   *
   * @param query - A glob over the keys without the prefix, or a range of them. Default: all.
   * @throws INVALID_ARGUMENT if the glob is empty, or every bound of the range is undefined.
   */
  clear(query?: string | Range, options?: AbortOptions): Promise<void> {
    return this.#try('clear', () => {
      if (isReserved(this.#folder))
        throw new StorageError(
          'INVALID_KEY',
          `Keys under ${this.#folder} belong to a model and are removed through it`,
        );
      const range = query === undefined ? {} : toDeletion(query, 'clear');
      return this.#access.clear(within(this.#folder, range), signalOf('clear', options));
    });
  }

  /** The store's keys and values of a range, lazily, in order and without the prefix. */
  entries(query?: string | Range, options?: AbortOptions): StorageIterator<EntryOf<Value>> {
    return this.#iterate(query, 'entries', options);
  }

  /** The store's values of a range, lazily and in the order of their keys. */
  values(query?: string | Range, options?: AbortOptions): StorageIterator<ValueOf<Value>> {
    return this.#iterate(query, 'values', options);
  }

  /** The store's keys of a range, lazily, in order and without the prefix. */
  keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<KeyOf<Value>> {
    return this.#iterate(query, 'keys', options);
  }

  /** Writes a value if the key has the version `expected`; null: if it is absent. */
  compareAndSet<Key extends KeyOf<Value>>(
    key: Key,
    expected: string | null,
    value: ValueAt<Value, Key>,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult> {
    return this.#engine.compareAndSet(this.#engineKey(key), expected, value, options);
  }

  /** Adds to a number in one step and returns the sum. An absent key counts as 0. */
  increment(key: NumberKeyOf<Value>, by?: number, options?: RecordOptions): Promise<number> {
    return this.#engine.increment(this.#engineKey(key), by, options);
  }

  /** The record of a key with its version, times, expiry and metadata; null if it is absent. */
  getEntry<Key extends KeyOf<Value>>(key: Key, options?: AbortOptions): Promise<Entry<ValueAt<Value, Key>> | null> {
    return this.#engine.getEntry(this.#engineKey(key), options);
  }

  /**
   * The changes of the store's own keys as they are committed, without the prefix. Options and events are those of
   * {@link Engine}'s `watch`.
   *
   * @param pattern - A glob over the keys without the prefix. Default: all.
   * @example
   * for await (const change of settings.watch('ui:*', { signal })) console.log(change.type, change.key);
   */
  watch(pattern?: string, options?: WatchOptions): WatchIterator<ValueOf<Value>> {
    return watching(() => {
      const range = within(this.#folder, watchedRange(pattern));
      if (this.#access.watch === undefined) {
        throw new StorageError('NOT_SUPPORTED', 'A transaction cannot be watched; watch the engine', {
          operation: 'watch',
        });
      }
      return this.#access.watch<ValueOf<Value>>(range, this.#folder.length, checkedOptions(options));
    });
  }

  /** Shows the prefix only. */
  [inspect.custom](): string {
    return `KeyValueStore { prefix: '${this.prefix}' }`;
  }

  // A bad key goes to the engine as it is, which says what is wrong with it.
  #engineKey(key: unknown): string {
    return badKey(key) ? (key as string) : this.#folder + (key as string);
  }

  #within(query: string | Range | undefined, operation: string): Range {
    return within(this.#folder, toRange(query, operation));
  }

  #iterate<T>(query: string | Range | undefined, what: PageContent, options?: AbortOptions): StorageIterator<T> {
    try {
      return this.#access.iterate(this.#within(query, what), what, this.#folder.length, signalOf(what, options));
    } catch (error) {
      return new PageIterator<T>(() => rejection(error));
    }
  }

  #try<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return run();
    } catch (error) {
      return rejection(error, { operation });
    }
  }
}

function badKey(key: unknown): boolean {
  return typeof key !== 'string' || key === '';
}
