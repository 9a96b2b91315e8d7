import type { Snapshot } from '../snapshot.js';
import type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
  EngineStats,
  EngineStatus,
  Entry,
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
 * What an engine of your own has to offer: these eight methods, on any object. Register it with
 * `storage.registerEngine(name, engine)` or hand it to a model; it is wrapped once and gets every other method of
 * {@link Engine}.
 *
 * It receives copies of JavaScript values that were checked to be storable, one call at a time and in order. Transactions work
 * on it, too; docs/engines/custom.md says how. Keys that start with `.holdfast~` are what the library keeps in it: records like others
 * for the engine, hidden from listings and refused with INVALID_KEY by {@link Engine}.
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
  /** What it declares beyond the eight methods. Default: nothing. */
  readonly capabilities?: DeclaredCapabilities | Capabilities;
  /** Gets ready. Called once before the first call. */
  connect(): Promise<void>;
  /** Lets go of what `connect` took. */
  disconnect(): Promise<void>;
  /** The value of a key; null or undefined if it is absent. */
  get(key: string): Promise<unknown>;
  /** Writes a value. `record` comes only if `ttl` or `metadata` is declared and given. */
  set(key: string, value: unknown, record?: StoredOptions): Promise<void>;
  /** Removes a key, and says whether it was there. */
  delete(key: string): Promise<boolean>;
  /** Whether a key is there. */
  has(key: string): Promise<boolean>;
  /** All keys, in any order; called without a pattern. */
  keys(pattern?: string): Promise<string[]>;
  /** Removes everything. */
  clear(): Promise<void>;
  /** The record with what is declared of version, expiry and metadata. Needed for these three to be read. */
  getEntry?(key: string): Promise<(Partial<Entry> & { value: unknown }) | null>;
  /** Writes if the version is `expected`, null meaning absent. Needed if `versions` is declared. */
  compareAndSet?(
    key: string,
    expected: string | null,
    value: unknown,
    record?: StoredOptions,
  ): Promise<CompareAndSetResult>;
  /**
   * Applies all or nothing. Needed if `atomicBatch` is declared; a check that fails rejects with CONFLICT. A transaction's commit
   * is one batch without checks.
   */
  batch?(operations: BatchOperation[]): Promise<void>;
}

/** What an engine of your own may declare. */
export interface DeclaredCapabilities {
  /** `set` takes `expiresAt`, and an expired key is absent at once. In transactions it needs `getEntry`. Default: false. */
  readonly ttl?: boolean;
  /** `set` takes `metadata`, and `getEntry` returns it; in transactions that has to be there. Default: false. */
  readonly metadata?: boolean;
  /** `getEntry` returns versions and `compareAndSet` takes them. Default: false. */
  readonly versions?: boolean;
  /** `batch` is there and applies all or nothing. Default: false. */
  readonly atomicBatch?: boolean;
  /** `clear` takes effect as one. Default: false. */
  readonly atomicClear?: boolean;
  /** `getEntry` returns `createdAt` and `updatedAt`. Default: false. */
  readonly timestamps?: boolean;
  /** Several processes may use it at once. Default: false. */
  readonly multiProcess?: boolean;
}

/** What an engine of your own is given beside a value. */
export interface StoredOptions {
  /** The moment, in milliseconds since 1970, from which on the key is absent. */
  readonly expiresAt?: number;
  /** A value to keep beside the record. */
  readonly metadata?: unknown;
}

/**
 * The data methods that an engine and whatever stands for one share.
 *
 * Keys are non-empty strings of at most 4,096 UTF-8 bytes without lone surrogates (else INVALID_KEY), ordered by their
 * bytes. Writes to keys under `docs/`, `objects/` and `graphs/`, which belong to the models, reject with INVALID_KEY.
 * Calls take effect in the order they were made. Every method that returns a promise rejects; none throws.
 */
export interface DataMethods {
  /**
   * The value of a key, or null if it is absent. A stored null is null too: `has` tells them apart.
   *
   * @throws INVALID_KEY; CORRUPTED if what is stored is no value.
   * @example
   * const user = await engine.get<User>('user:1');
   */
  get<T = unknown>(key: string): Promise<T | null>;
  /**
   * Writes a value: null, boolean, number, string, bigint, Date, Buffer, typed array, ArrayBuffer, Map, Set, RegExp, or
   * arrays and plain objects of these. It is encoded before the call returns; later changes to it are not seen.
   *
   * @throws INVALID_KEY, UNSUPPORTED_VALUE, VALUE_TOO_LARGE; CONFLICT if a condition does not hold; READ_ONLY, NO_SPACE.
   * @example
   * await engine.set('session:1', { user: 7 }, { ttl: 60_000 });
   */
  set(key: string, value: unknown, options?: SetOptions): Promise<void>;
  /** Removes a key, and says whether it was there. */
  delete(key: string): Promise<boolean>;
  /** Whether a key is there. */
  has(key: string): Promise<boolean>;
  /**
   * The keys of a range, in order. For very many keys `keysIterator` takes less memory.
   *
   * @param query - A glob, or a range. Default: all keys.
   * @example
   * await engine.keys('user:*');
   * await engine.keys({ prefix: 'user:', reverse: true, limit: 10 });
   */
  keys(query?: string | Range): Promise<string[]>;
  /** How many keys a range holds. */
  count(query?: string | Range): Promise<number>;
  /** Removes everything, what the models keep included. In one step where `capabilities.atomicClear`. */
  clear(): Promise<void>;
  /**
   * The keys and values of a range, lazily and in order. Of one moment where `capabilities.snapshots`.
   *
   * @example
   * for await (const [key, user] of engine.entries<User>({ prefix: 'user:' })) console.log(key, user.name);
   */
  entries<T = unknown>(query?: string | Range): StorageIterator<[string, T]>;
  /** The values of a range, lazily and in the order of their keys. */
  values<T = unknown>(query?: string | Range): StorageIterator<T>;
  /** The keys of a range, lazily and in order. */
  keysIterator(query?: string | Range): StorageIterator<string>;
  /** The values of many keys, in their order, null for those that are absent. */
  getMany<T = unknown>(keys: Iterable<string>): Promise<(T | null)[]>;
  /**
   * Writes many entries, all or none where `capabilities.atomicBatch`. At most 64 MiB in all.
   *
   * @example
   * await engine.setMany([['a', 1], ['b', 2]]);
   */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void>;
  /** Removes many keys, and says how many of them were there. */
  deleteMany(keys: Iterable<string>): Promise<number>;
  /**
   * Applies writes in order, all or none where `capabilities.atomicBatch`, if every check holds.
   *
   * @throws CONFLICT if a check does not hold; nothing is written then.
   * @example
   * await engine.batch([
   *   { type: 'check', key: 'account:1', version },
   *   { type: 'set', key: 'account:1', value: { balance: 10 } },
   *   { type: 'delete', key: 'pending:1' },
   * ]);
   */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void>;
  /**
   * Writes a value if the key has the version `expected`, null meaning that it is absent.
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
   * Adds to a number in one step and returns the sum; an absent key counts as 0. Expiry and metadata stay unless given.
   *
   * @param by - What to add. Default: 1.
   * @throws INVALID_ARGUMENT if the key holds no number.
   */
  increment(key: string, by?: number, options?: RecordOptions): Promise<number>;
  /** The record of a key with its version, times, expiry and metadata; null if it is absent. */
  getEntry<T = unknown>(key: string): Promise<Entry<T> | null>;
}

/** A storage engine in full, as `storage.getEngine()` returns it. */
export interface Engine extends DataMethods, AsyncDisposable {
  /** Its name: `'file'`, `'sqlite'`, `'leveldb'`, `'redis'`, `'memory'`, or that of an engine of your own. */
  readonly name: string;
  /** Where it stands. */
  readonly status: EngineStatus;
  /** What it can do. */
  readonly capabilities: Capabilities;
  /** Opens the store. Calls do so by themselves, once however many race; this tells early whether it works. */
  connect(): Promise<void>;
  /** Finishes running calls, ends iterators and snapshots, and lets the store go. A later call connects again. */
  disconnect(): Promise<void>;
  /**
   * A read-only view of this moment, which sees every write requested before it. Close it.
   *
   * @throws NOT_SUPPORTED where `capabilities.snapshots` is false.
   */
  snapshot(): Promise<Snapshot>;
  /**
   * The changes of keys as they are committed: those of everybody in this process, and of our own clients in other processes
   * where `capabilities.watch` is `'shared'`. In commit order; the changes of a batch come one behind the other, with one
   * `commit`. An expiry is no change. `docs/watch.md` has the details.
   *
   * What is committed after this call is told, however late the first `next()` comes. The open watch keeps the process alive
   * unless `persistent` is false.
   *
   * @param pattern - A glob. Default: all keys.
   * @throws From `next()`: NOT_SUPPORTED where `capabilities.watch` is `'none'`; NO_SPACE if events are taken too slowly;
   * PRECONDITION_FAILED if the change log does not reach back to `since`; ABORTED; CLOSED; CONNECTION.
   * @example
   * for await (const change of engine.watch('user:*')) {
   *   console.log(change.commit, change.type, change.key);
   * }
   */
  watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T>;
  /** Figures of the store. */
  stats(): Promise<EngineStats>;
  /** Reads everything and reports what is damaged. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** Gives back space that deleted data still takes. */
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
