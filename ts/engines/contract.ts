import type { Snapshot } from '../snapshot.js';
import type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
  DeleteOptions,
  EngineStats,
  EngineStatus,
  Entry,
  KeyOperation,
  Range,
  RecordOptions,
  SetManyOptions,
  SetOptions,
  StorageIterator,
  VerifyOptions,
  VerifyReport,
} from '../types.js';
import type { WatchIterator, WatchOptions } from '../watch/types.js';

/**
 * An engine of your own: any object with these eight methods. Register it with `storage.registerEngine(name, engine)`
 * or give it to a model. It is wrapped once, and the wrapper has every other method of {@link Engine}.
 *
 * The engine receives copies of JavaScript values that were checked to be storable, one call at a time and in order.
 * Transactions work on it, too; see docs/engines/custom.md. The library keeps records of its own in the engine, under
 * keys that start with `.holdfast~`. {@link Engine} leaves them out of listings and refuses such keys with INVALID_KEY.
 *
 * @example
 * const map = new Map();
 * storage.registerEngine('mine', {
 *   connect: async () => {}, disconnect: async () => {},
 *   get: async (key) => map.get(key) ?? null, set: async (key, value) => void map.set(key, value),
 *   delete: async (key) => map.delete(key), has: async (key) => map.has(key),
 *   keys: async () => [...map.keys()], clear: async () => map.clear(),
 * });
 */
export interface StorageEngine {
  /** A name for messages. Default: the one it is registered under. */
  readonly name?: string;
  /** The abilities beyond the eight methods. Default: none. */
  readonly capabilities?: DeclaredCapabilities | Capabilities;
  /** Opens what the engine needs. It is called once before the first call. */
  connect(): Promise<void>;
  /** Closes what `connect` opened. */
  disconnect(): Promise<void>;
  /** The value of a key; null or undefined if it is absent. */
  get(key: string): Promise<unknown>;
  /** Writes a value. `record` is given only if `ttl` or `metadata` is declared and used. */
  set(key: string, value: unknown, record?: StoredOptions): Promise<void>;
  /** Removes a key. True: the key was there. */
  delete(key: string): Promise<boolean>;
  /** Whether a key is there. */
  has(key: string): Promise<boolean>;
  /** All keys, in any order. It is called without a pattern. */
  keys(pattern?: string): Promise<string[]>;
  /** Removes everything. */
  clear(): Promise<void>;
  /**
   * The record, with those of version, expiry and metadata that are declared. They can be read only through this
   * method.
   */
  getEntry?(key: string): Promise<(Partial<Entry> & { value: unknown }) | null>;
  /** Writes if the version is `expected`; null: if the key is absent. Needed if `versions` is declared. */
  compareAndSet?(
    key: string,
    expected: string | null,
    value: unknown,
    record?: StoredOptions,
  ): Promise<CompareAndSetResult>;
  /**
   * Applies all operations or none. Needed if `atomicBatch` is declared. It rejects with CONFLICT if a check fails. A
   * transaction's commit is one batch without checks. A `deleteRange` comes as a delete of each key.
   */
  batch?(operations: KeyOperation[]): Promise<void>;
}

/** Abilities that an engine of your own may declare. */
export interface DeclaredCapabilities {
  /**
   * `set` takes `expiresAt`, and an expired key is absent at once. Transactions need `getEntry` for it. Default: false.
   */
  readonly ttl?: boolean;
  /** `set` takes `metadata`, and `getEntry` returns it. Transactions need `getEntry` for it. Default: false. */
  readonly metadata?: boolean;
  /** `getEntry` returns versions and `compareAndSet` takes them. Default: false. */
  readonly versions?: boolean;
  /** `batch` is there and applies all operations or none. Default: false. */
  readonly atomicBatch?: boolean;
  /** `clear` takes effect as one. Default: false. */
  readonly atomicClear?: boolean;
  /** `getEntry` returns `createdAt` and `updatedAt`. Default: false. */
  readonly timestamps?: boolean;
  /** Several processes may use it at once. Default: false. */
  readonly multiProcess?: boolean;
}

/** The parts of a record, beside its value, that an engine of your own is given. */
export interface StoredOptions {
  /** When the key becomes absent, in milliseconds since 1970. */
  readonly expiresAt?: number;
  /** A value to be kept with the record. */
  readonly metadata?: unknown;
}

/**
 * The data methods that engines and transactions share.
 *
 * Keys are non-empty strings of at most 4,096 UTF-8 bytes without lone surrogates (else INVALID_KEY), ordered by their
 * bytes. Writes to keys under `docs/`, `objects/` and `graphs/`, which belong to the models, reject with INVALID_KEY.
 * Calls take effect in the order in which they were made. A method that returns a promise never throws: it rejects.
 */
export interface DataMethods {
  /**
   * The value of a key, or null if it is absent. A stored null is null too; `has` tells them apart.
   *
   * @throws INVALID_KEY; CORRUPTED if the stored bytes are no value.
   * @example
   * const user = await engine.get<User>('user:1');
   */
  get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null>;
  /**
   * Writes a value: null, boolean, number, string, bigint, Date, Buffer, typed array, ArrayBuffer, Map, Set, RegExp, or
   * arrays and plain objects of these. The value is encoded before the call returns, so later changes to it do not
   * count. As in JSON, undefined in an array becomes null, and a property that is undefined is left out (see the
   * manager's `strictUndefined`).
   *
   * @throws INVALID_KEY, UNSUPPORTED_VALUE, VALUE_TOO_LARGE; CONFLICT if a condition does not hold; READ_ONLY,
   * NO_SPACE.
   * @example
   * await engine.set('session:1', { user: 7 }, { ttl: 60_000 });
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<void>;
  /**
   * Removes a key. True: the key was there.
   *
   * @throws CONFLICT if the key does not have the version `ifVersion`.
   * @example
   * await engine.delete('lease', { ifVersion: version });
   */
  delete(key: string, options?: DeleteOptions): Promise<boolean>;
  /** Whether a key is there. */
  has(key: string, options?: AbortOptions): Promise<boolean>;
  /**
   * The keys of a range, in order. For very many keys `keysIterator` takes less memory.
   *
   * @param query - A glob, or a range. Default: all keys.
   * @example
   * await engine.keys('user:*');
   * await engine.keys({ prefix: 'user:', reverse: true, limit: 10 });
   */
  keys(query?: string | Range, options?: AbortOptions): Promise<string[]>;
  /** How many keys a range holds. */
  count(query?: string | Range, options?: AbortOptions): Promise<number>;
  /**
   * Removes the keys of a range. It takes one step where `capabilities.atomicClear`. The keys under `docs/`, `objects/`
   * and `graphs/` stay, as they are removed through their models.
   *
   * @param query - A glob, or a range. Default: everything, including what the models keep.
   * @throws INVALID_ARGUMENT if the glob is empty, or every bound of the range is undefined; INVALID_KEY if the range
   * lies in the folder of a model.
   * @example
   * await engine.clear('tmp:*');
   * await engine.clear({ prefix: 'log:', lt: 'log:2026' });
   */
  clear(query?: string | Range, options?: AbortOptions): Promise<void>;
  /**
   * The keys and values of a range, lazily and in order. They are of one moment where `capabilities.snapshots`.
   *
   * @example
   * for await (const [key, user] of engine.entries<User>({ prefix: 'user:' })) console.log(key, user.name);
   */
  entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]>;
  /** The values of a range, lazily and in the order of their keys. */
  values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T>;
  /** The keys of a range, lazily and in order. */
  keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string>;
  /** The values of many keys, in their order, null for those that are absent. */
  getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]>;
  /**
   * Writes many entries, all or none where `capabilities.atomicBatch`. At most 64 MiB in all.
   *
   * @example
   * await engine.setMany([['a', 1], ['b', 2]]);
   */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void>;
  /** Removes many keys, and returns how many of them were there. `clear` removes a range. */
  deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number>;
  /**
   * Applies writes in order if every check holds, all or none where `capabilities.atomicBatch`.
   *
   * @throws CONFLICT if a check does not hold; nothing is written then.
   * @example
   * await engine.batch([
   *   { type: 'check', key: 'account:1', version },
   *   { type: 'set', key: 'account:1', value: { balance: 10 } },
   *   { type: 'delete', key: 'pending:1' },
   *   { type: 'deleteRange', range: { prefix: 'log:1:' } },
   * ]);
   */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void>;
  /**
   * Writes a value if the key has the version `expected`; null: if it is absent.
   *
   * @returns `ok`, and the version written or found.
   * @example
   * const { ok } = await engine.compareAndSet('leader', null, 'me', { ttl: 10_000 });
   */
  compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult>;
  /**
   * Adds to a number in one step and returns the sum. An absent key counts as 0. Expiry and metadata stay unless they
   * are given.
   *
   * @param by - The number to add. Default: 1.
   * @throws INVALID_ARGUMENT if the key holds no number, or the sum of two whole numbers is beyond 2^53.
   */
  increment(key: string, by?: number, options?: RecordOptions): Promise<number>;
  /** The record of a key with its version, times, expiry and metadata; null if it is absent. */
  getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null>;
}

/** A storage engine with all its methods, as `storage.getEngine()` returns it. */
export interface Engine extends DataMethods, AsyncDisposable {
  /** Its name: `'file'`, `'sqlite'`, `'leveldb'`, `'redis'`, `'memory'`, or that of an engine of your own. */
  readonly name: string;
  /** Whether it is idle, connecting, connected or closed. */
  readonly status: EngineStatus;
  /** Its abilities. */
  readonly capabilities: Capabilities;
  /** Opens the store. Calls do so by themselves; this method tells early whether it works. */
  connect(): Promise<void>;
  /** Finishes running calls, ends iterators and snapshots, and closes the store. A later call connects again. */
  disconnect(): Promise<void>;
  /**
   * A read-only view of this moment, which sees every write that was requested before. Close it.
   *
   * @throws NOT_SUPPORTED where `capabilities.snapshots` is false.
   */
  snapshot(): Promise<Snapshot>;
  /**
   * The changes of keys as they are committed: those of everybody in this process, and of our own clients in other
   * processes where `capabilities.watch` is `'shared'`. They come in the order of commits; the changes of a batch come
   * one after the other, with one `commit`. An expiry is no change. `docs/watch.md` has the details.
   *
   * The watch tells everything that is committed after this call, however late the first `next()` comes. The open watch
   * keeps the process alive unless `persistent` is false.
   *
   * @param pattern - A glob. Default: all keys.
   * @throws From `next()`: NOT_SUPPORTED where `capabilities.watch` is `'none'`; NO_SPACE if events are taken too
   * slowly; PRECONDITION_FAILED if the change log does not reach back to `since`; ABORTED; CLOSED; CONNECTION.
   * @example
   * for await (const change of engine.watch('user:*')) {
   *   console.log(change.commit, change.type, change.key);
   * }
   */
  watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T>;
  /** Figures of the store. */
  stats(): Promise<EngineStats>;
  /** Reads everything and reports damage. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** Frees space that deleted data still takes. */
  compact(): Promise<void>;
  /** Like `get`, blocking. @throws NOT_SUPPORTED where `capabilities.sync` is false. */
  getSync<T = unknown>(key: string): T | null;
  /** Like `has`, blocking. @throws NOT_SUPPORTED where `capabilities.sync` is false. */
  hasSync(key: string): boolean;
  /** Like `set`, blocking, without conditions. @throws NOT_SUPPORTED where `capabilities.sync` is false. */
  setSync(key: string, value: unknown, options?: Omit<RecordOptions, 'signal'>): void;
  /** Like `delete`, blocking. @throws NOT_SUPPORTED where `capabilities.sync` is false. */
  deleteSync(key: string): boolean;
  /** The same as `disconnect()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
