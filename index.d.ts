// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.
import { inspect } from 'node:util';
import { Writable } from 'node:stream';
import { Buffer } from 'node:buffer';

/** The keys that a call applies to. Bounds and prefix compare by UTF-8 bytes. A key has to match everything given. */
interface Range {
    /** Only keys that start with this text. */
    prefix?: string | undefined;
    /** Only keys after this one. */
    gt?: string | undefined;
    /** Only this key and those after it. */
    gte?: string | undefined;
    /** Only keys before this one. */
    lt?: string | undefined;
    /** Only this key and those before it. */
    lte?: string | undefined;
    /**
     * Only keys that match this Redis glob: `*` (also across `/`), `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a
     * character that stands for itself.
     */
    pattern?: string | undefined;
    /** Order the keys from the last to the first. Default: false. */
    reverse?: boolean | undefined;
    /** The largest number of keys, counted in the direction of `reverse`. Default: all. */
    limit?: number | undefined;
}
/** Options of a call that can be aborted. */
interface AbortOptions {
    /** Aborts the call: it rejects with ABORTED, an `AbortError`. What was queued already may still take effect. */
    signal?: AbortSignal | undefined;
}
/** Options of `delete`. */
interface DeleteOptions extends AbortOptions {
    /** Remove the key only if it has this version, else reject with CONFLICT. */
    ifVersion?: string | undefined;
}
/** The expiry and the metadata of a record that is written. */
interface RecordOptions extends AbortOptions {
    /** Milliseconds from now until the key is absent; more than 0. Not together with `expiresAt`. */
    ttl?: number | undefined;
    /** The moment, in milliseconds since 1970, from which on the key is absent. */
    expiresAt?: number | undefined;
    /** Any storable value kept beside the record; `getEntry` returns it. */
    metadata?: unknown;
}
/**
 * Options of `set`. A record is written whole: it loses expiry and metadata that it had before unless they are given
 * again.
 */
interface SetOptions extends RecordOptions {
    /** Write only if the key has this version, else reject with CONFLICT. */
    ifVersion?: string | undefined;
    /** Write only if the key is absent, else reject with CONFLICT. Default: false. */
    ifAbsent?: boolean | undefined;
}
/** Options of `setMany`. They apply to each of its entries. */
interface SetManyOptions extends RecordOptions {
    /** Write only if every key is absent, else reject with CONFLICT and write none. Default: false. */
    ifAbsent?: boolean | undefined;
}
/** One step of `batch`. All checks are made against the state before the batch. The other steps apply in order. */
type BatchOperation = ({
    type: 'set';
    key: string;
    value: unknown;
} & Omit<SetOptions, 'signal'>) | {
    type: 'delete';
    key: string;
} | {
    type: 'deleteRange';
    /** A glob or a range. The keys of the models are left out. */
    range: string | Range;
} | {
    type: 'check';
    key: string;
    /** The version the key must have; null: it must be absent. */
    version: string | null;
};
/** A step of `batch` that concerns one key. */
type KeyOperation = Exclude<BatchOperation, {
    type: 'deleteRange';
}>;
/** A record as `getEntry` returns it. */
interface Entry<T = unknown> {
    /** The value. */
    value: T;
    /** An opaque text. Equal versions mean the same value, expiry and metadata. */
    version: string;
    /** When the key was written first, in milliseconds since 1970; null if the engine does not keep it. */
    createdAt: number | null;
    /** When the key was written last, in milliseconds since 1970; null if the engine does not keep it. */
    updatedAt: number | null;
    /** When the key becomes absent, in milliseconds since 1970; null: never. */
    expiresAt: number | null;
    /** The metadata that was given; null if there was none. */
    metadata: unknown;
}
/** The result of `compareAndSet`. */
interface CompareAndSetResult {
    /** Whether the value was written. */
    ok: boolean;
    /** The version written, or else the version found; null: the key is absent. */
    version: string | null;
}
/** The abilities of an engine. */
interface Capabilities {
    /** `snapshot()` shows one moment of the store, and so does every iterator. */
    readonly snapshots: boolean;
    /** `batch`, `setMany` and `deleteMany` take effect as one. */
    readonly atomicBatch: boolean;
    /** `clear` takes effect as one. */
    readonly atomicClear: boolean;
    /** Records have `createdAt` and `updatedAt`. */
    readonly timestamps: boolean;
    /** Whose changes can be watched: nobody's, those of this process, or those of every process. */
    readonly watch: 'none' | 'process' | 'shared';
    /** Several processes may open one store. */
    readonly multiProcess: boolean;
    /** `getSync`, `hasSync`, `setSync` and `deleteSync` work. */
    readonly sync: boolean;
}
/** The status of an engine: `idle` connects on the next call; `closed` is final. */
type EngineStatus = 'idle' | 'connecting' | 'connected' | 'closed';
/** The failures that a resolved write survives: `full` power loss, `normal` death of the process, `none` neither. */
type Durability = 'full' | 'normal' | 'none';
/**
 * The counts of a store since this process opened it. All engines of the process that share the store are counted
 * together. A count that an engine does not have is null: memory has no cache beside itself, a custom engine counts
 * nothing.
 */
interface EngineCounters {
    /** Batches that took effect. A write of one key is a batch, as is the commit of a transaction. */
    commits: number | null;
    /**
     * Batches refused with CONFLICT: a condition did not hold, or an undecided transaction over several engines holds a
     * key.
     */
    conflicts: number | null;
    /**
     * Writes to the medium for those commits: fewer than commits where concurrent ones were written and synced together.
     */
    groups: number | null;
    /**
     * Syncs of files and folders that the engine asked the system for. On leveldb those for commits, without RocksDB's
     * own at flushes and compactions; on sqlite one for a synced commit and two for a checkpoint.
     */
    fsyncs: number | null;
    /** Keys read, outside snapshots and listings, that were in the engine's own cache. */
    cacheHits: number | null;
    /** Keys read, outside snapshots and listings, that were read from files or a database. */
    cacheMisses: number | null;
    /**
     * Pieces of work that a crash had left and that were finished or dropped: batches of the file engine, branches of
     * transactions over several engines.
     */
    recoveries: number | null;
    /** Keys that the memory engine evicted to make room for others. */
    evictions: number | null;
    /**
     * Reads made again after a retryable error, and openings of the engine made again for calls that waited. The manager
     * counts transactions that are run again.
     */
    retries: number | null;
}
/** Figures of a store. A figure that an engine does not have is null. */
interface EngineStats {
    /**
     * The number of keys, including expired ones that are not swept yet; null on leveldb, whose `details.estimatedKeys`
     * counts a key that was written several times as often until a compaction.
     */
    keys: number | null;
    /** Bytes in memory that the store itself accounts for. */
    memoryBytes: number | null;
    /** Bytes on disk. */
    diskBytes: number | null;
    /** The number of the latest commit, which `watch` takes as `since`. */
    commit: number | null;
    /** The earliest commit that `since` may name, by how far the change log reaches back; null while it is off. */
    logFloor: number | null;
    /** Counts since this process opened the store. */
    counters: EngineCounters;
    /** Figures of this engine alone, by name. */
    details: Record<string, number>;
}
/** The progress of a long call. */
interface Progress {
    /** The work, such as `'verify'` or `'copy'`. */
    phase: string;
    /** Keys done. */
    done: number;
    /** Keys in all; null if unknown. */
    total: number | null;
    /** Bytes done; null if not counted. */
    bytes: number | null;
}
/** Options of calls that may take long. */
interface LongCallOptions extends AbortOptions {
    /** Is called from time to time with the call's progress. What it throws is an uncaught exception of its own. */
    onProgress?: ((progress: Progress) => void) | undefined;
}
/** Options of `verify`. */
interface VerifyOptions extends LongCallOptions {
    /** Set damaged data aside, so that the store works again; nothing is destroyed. Default: false. */
    repair?: boolean | undefined;
}
/** The result of `verify`. */
interface VerifyReport {
    /** Whether nothing is damaged. */
    ok: boolean;
    /** The number of keys checked. */
    checked: number;
    /** The damage found. */
    errors: {
        key?: string;
        code: string;
        message: string;
    }[];
}
/**
 * How reads, transactions and connections are made again after a retryable error. Writes outside of transactions are
 * not made again: they would come after later ones.
 */
interface RetryOptions {
    /** The number of attempts, including the first. Default: 3. */
    attempts?: number | undefined;
    /** Milliseconds before the second attempt. The delay doubles each time, with jitter. Default: 50. */
    minDelay?: number | undefined;
    /** The most milliseconds between two attempts. Default: 2,000. */
    maxDelay?: number | undefined;
}
/**
 * An async iterator over a store, in key order. It reads nothing before the first `next()`. Leaving a `for await` loop
 * early, `return()` and disposal free what it holds. So does the engine's close, after which `next()` rejects with
 * CLOSED.
 */
interface StorageIterator<T> extends AsyncIterableIterator<T>, AsyncDisposable {
    /** The next item. */
    next(): Promise<IteratorResult<T, undefined>>;
    /** Ends the iteration and frees what it holds. */
    return(): Promise<IteratorResult<T, undefined>>;
    /** Ends the iteration, and rejects with `error`. */
    throw(error?: unknown): Promise<IteratorResult<T, undefined>>;
    /** The iterator itself. */
    [Symbol.asyncIterator](): StorageIterator<T>;
    /** The same as `return()`. */
    [Symbol.asyncDispose](): Promise<void>;
}

/** Options of `watch`. */
interface WatchOptions extends AbortOptions {
    /**
     * The place after which to begin: the `cursor` of an event, or the number of a commit (`stats()`). What was committed
     * since comes first, from the change log; nothing is left out or told twice. The option switches the change log on,
     * for good. Default: begin now.
     */
    since?: string | number | undefined;
    /**
     * The most commits that may wait to be taken. One more ends the watch with NO_SPACE, and so do 16 MiB of keys and
     * values. Default: 1,024.
     */
    maxQueue?: number | undefined;
    /** Whether the open watch keeps the process alive. Default: true. */
    persistent?: boolean | undefined;
}
/** The place of an event among all changes of the store. */
interface EventPlace {
    /** The number of the commit. The events of a batch have the same number, and come one after the other. */
    commit: number;
    /** Whether it is the last event of its commit. */
    last: boolean;
    /** An opaque text, which `since` takes: the watch then begins with the event after this one. */
    cursor: string;
}
/** A key was written. */
interface SetEvent<T = unknown> extends EventPlace {
    type: 'set';
    key: string;
    /**
     * The value written. It is left out if the event comes from the change log and the key has been changed since; a
     * later event tells that change.
     */
    value?: T;
    /** The version that `getEntry` returns; null on an engine of your own without versions. */
    version: string | null;
}
/** A key was removed. */
interface DeleteEvent extends EventPlace {
    type: 'delete';
    key: string;
    version: null;
}
/** Keys were removed together, by `clear`. */
interface ClearEvent extends EventPlace {
    type: 'clear';
    /** The bounds of the keys; absent if they are all keys that the watch matches. */
    range?: Pick<Range, 'prefix' | 'gt' | 'gte' | 'lt' | 'lte'>;
    version: null;
}
/** A change that `watch` tells. */
type WatchEvent<T = unknown> = SetEvent<T> | DeleteEvent | ClearEvent;
/**
 * The changes of a store as they are committed. The watch is open from the call of `watch` on. Leaving a `for await`
 * loop, `return()`, disposal and the signal end it at once.
 */
interface WatchIterator<T = unknown> extends AsyncIterableIterator<WatchEvent<T>>, AsyncDisposable {
    /**
     * Resolves once the watch tells everything committed from now on, also by other processes. Changes made by this
     * process are told from the call of `watch` on. Rejects with the error if the watch cannot begin.
     */
    readonly ready: Promise<void>;
    /**
     * The next event. Rejects once with the error that ended the watch. If the application closes or disconnects the
     * engine, that is CLOSED, but a `for await` loop just ends.
     */
    next(): Promise<IteratorResult<WatchEvent<T>, undefined>>;
    /** Ends the watch. */
    return(): Promise<IteratorResult<WatchEvent<T>, undefined>>;
    /** Ends the watch, and rejects with `error`. */
    throw(error?: unknown): Promise<IteratorResult<WatchEvent<T>, undefined>>;
    /** The iterator itself, for a loop. */
    [Symbol.asyncIterator](): WatchIterator<T>;
    /** The same as `return()`. */
    [Symbol.asyncDispose](): Promise<void>;
}

/** What a handler is told besides the events. */
interface ConsumeContext {
    /** The name of the consumer. */
    consumer: string;
    /** The place behind the events. No other call of the handler has it, so it can make writes idempotent. */
    cursor: string;
    /** Which attempt this is for these events, from 1 on. */
    attempt: number;
    /** Fires when the consumer is being stopped, or has lost its name to another one. */
    signal: AbortSignal;
}
/**
 * Handles the events of one commit, or of up to `batchSize` whole commits. They are done when it returns, or when its
 * promise resolves.
 */
type ConsumeHandler<T = unknown> = (events: WatchEvent<T>[], context: ConsumeContext) => unknown;
/** A call that failed. */
interface ConsumeFailure<T = unknown> {
    /** The events of the call; none if `onGap` failed. */
    events: WatchEvent<T>[];
    /** The place behind the events. */
    cursor: string;
    /** How many attempts have failed. */
    attempt: number;
}
/** How a consumer goes on after a failure: with the same events, behind them, or not at all. */
type ConsumeDecision = 'retry' | 'skip' | 'stop';
/** Changes that the change log does not have any more. */
interface ConsumeGap {
    /** The place behind the last change that was handed over. */
    cursor: string;
    /** Fires when the consumer is being stopped, or has lost its name to another one. */
    signal: AbortSignal;
}
/** Options of `storage.consume`. */
interface ConsumeOptions<T = unknown> extends AbortOptions {
    /** The engine whose changes are consumed, and which keeps the cursor. Default: the manager's `defaultEngine`. */
    engine?: string | undefined;
    /**
     * Where a name begins that has no cursor yet: behind the call of `consume`, as far back as the change log reaches, or
     * behind a place. Default: `'now'`.
     */
    from?: 'now' | 'earliest' | (string & {}) | number | undefined;
    /** The most commits that are handed over in one call, without waiting for more. Default: 1. */
    batchSize?: number | undefined;
    /**
     * How a failed call of the handler is made again. A lost connection is tried again with the same delays and no limit.
     * Default: no limit of `attempts`, from 100 ms up to 30,000 ms.
     */
    retry?: RetryOptions | undefined;
    /**
     * Is told of each failure of the handler, and decides how to go on. Default: `'retry'`, and the manager's event
     * `error` tells.
     */
    onError?: ((error: unknown, failure: ConsumeFailure<T>) => ConsumeDecision | void | undefined | Promise<ConsumeDecision | void | undefined>) | undefined;
    /**
     * Is called when changes are lost, to read the store anew. When it has returned, changes are handed over that were
     * made since its call. Default: the consumer ends with PRECONDITION_FAILED.
     */
    onGap?: ((gap: ConsumeGap) => unknown) | undefined;
    /** After how many milliseconds without a sign of life another consumer of the name takes over. Default: 30,000. */
    sessionTimeout?: number | undefined;
    /** The most milliseconds that `stop()` and `close()` wait for a running handler. Default: 10,000. */
    grace?: number | undefined;
    /** Whether the consumer keeps the process alive. Default: true. */
    persistent?: boolean | undefined;
    /** Stops the consumer, as `stop()` does. */
    signal?: AbortSignal | undefined;
}
/**
 * What a consumer is doing: it begins; another consumer of its name is at work; it is at work; it was paused; it waits
 * before it tries something again; it has stopped; it has ended with an error.
 */
type ConsumerState = 'starting' | 'standby' | 'running' | 'paused' | 'retrying' | 'stopped' | 'failed';
/** Figures of a consumer. Counts are those of this object. */
interface ConsumerStats {
    /** What it is doing. */
    state: ConsumerState;
    /** The place up to which everything is done; null if the name has not begun. */
    cursor: string | null;
    /**
     * How many commits of the store lie behind the cursor, 0 if none of them has a matching key; null if the store cannot
     * be asked.
     */
    lag: number | null;
    /** Commits that are done. */
    commits: number;
    /** Events that are done. */
    events: number;
    /** Calls of the handler that failed. */
    failures: number;
    /** The attempt that is under way; 0 if the handler is not running. */
    attempt: number;
    /** The latest failure, of the handler or of the store; null if there was none. */
    error: unknown;
}

/**
 * What `storage.consume` returns: it hands the changes of keys to a function, a commit at a time, and keeps in the
 * engine how far that is done; see docs/consumers.md.
 *
 * @example
 * const mailer = storage.consume('mailer', 'order:*', async (events) => {
 *   for (const event of events) if (event.type === 'set') await sendMail(event.value);
 * });
 * process.once('SIGTERM', () => storage.close()); // stops it, too
 */
declare class Consumer implements AsyncDisposable {
    #private;
    /** Its name, by which the engine keeps the cursor. */
    readonly name: string;
    /** The name of the engine. */
    readonly engine: string;
    /** Resolves once it is at work. Rejects if it ends before. */
    readonly ready: Promise<void>;
    /** Resolves once it has stopped. Rejects with the error that ended it, of which the event `error` tells, too. */
    readonly done: Promise<void>;
    /** What it is doing. */
    get state(): ConsumerState;
    /** Hands nothing over until `resume()`. A handler that is running finishes. The name stays taken. */
    pause(): void;
    /** Hands over again. */
    resume(): void;
    /**
     * Hands nothing more over, waits for a running handler, at most for `grace`, and gives the name up. Do not wait for
     * it inside the handler.
     */
    stop(): Promise<void>;
    /**
     * Stops, and removes the cursor from the engine: the name begins anew.
     *
     * @throws LOCKED if another consumer of the name is at work.
     */
    forget(): Promise<void>;
    /** Figures of it. */
    stats(): Promise<ConsumerStats>;
    /** The same as `stop()`. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Shows name and state only. */
    [inspect.custom](): string;
}

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
declare class Snapshot implements AsyncDisposable {
    #private;
    /** The value of a key, or null if it was absent. */
    get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null>;
    /** Whether a key was there. */
    has(key: string, options?: AbortOptions): Promise<boolean>;
    /** The record of a key with its version, times, expiry and metadata; null if it was absent. */
    getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null>;
    /** The keys of a range, in order. */
    keys(query?: string | Range, options?: AbortOptions): Promise<string[]>;
    /** How many keys a range held. */
    count(query?: string | Range, options?: AbortOptions): Promise<number>;
    /** The values of many keys, in their order, null for those that were absent. */
    getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]>;
    /** The keys and values of a range, lazily and in order. */
    entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]>;
    /** The values of a range, lazily and in the order of their keys. */
    values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T>;
    /** The keys of a range, lazily and in order. */
    keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string>;
    /** Frees what the snapshot holds. Closing it again does nothing. */
    close(): Promise<void>;
    /** The same as `close()`. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Shows the engine's name only. */
    [inspect.custom](): string;
}

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
interface StorageEngine {
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
    getEntry?(key: string): Promise<(Partial<Entry> & {
        value: unknown;
    }) | null>;
    /** Writes if the version is `expected`; null: if the key is absent. Needed if `versions` is declared. */
    compareAndSet?(key: string, expected: string | null, value: unknown, record?: StoredOptions): Promise<CompareAndSetResult>;
    /**
     * Applies all operations or none. Needed if `atomicBatch` is declared. It rejects with CONFLICT if a check fails. A
     * transaction's commit is one batch without checks. A `deleteRange` comes as a delete of each key.
     */
    batch?(operations: KeyOperation[]): Promise<void>;
}
/** Abilities that an engine of your own may declare. */
interface DeclaredCapabilities {
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
interface StoredOptions {
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
interface DataMethods {
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
    compareAndSet(key: string, expected: string | null, value: unknown, options?: RecordOptions): Promise<CompareAndSetResult>;
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
interface Engine extends DataMethods, AsyncDisposable {
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

/** No value has this property. */
declare const keyMap: unique symbol;
/**
 * Says that a `KeyValueStore` has these keys, each with a type of its own.
 *
 * @example
 * const settings = storage.keyValue<KeyMap<{ theme: 'dark' | 'light'; size: number }>>('settings');
 * await settings.set('theme', 'dark');
 * const size = await settings.get('size'); // number | null
 */
interface KeyMap<Types extends object> {
    readonly [keyMap]: Types;
}
/** The types of a {@link KeyMap}; never for any other type, `any` included. */
type TypesOf<Value> = 0 extends 1 & Value ? never : [Value] extends [KeyMap<infer Types>] ? {
    [Key in keyof Types & string]-?: Exclude<Types[Key], undefined>;
} : never;
/** The keys of a store. */
type KeyOf<Value> = [TypesOf<Value>] extends [never] ? string : keyof TypesOf<Value> & string;
/** The value of a key. */
type ValueAt<Value, Key extends string> = [TypesOf<Value>] extends [never] ? Value : TypesOf<Value>[Key & keyof TypesOf<Value>];
/** The values of a store. */
type ValueOf<Value> = [TypesOf<Value>] extends [never] ? Value : TypesOf<Value>[keyof TypesOf<Value>];
/** A key with its value. */
type EntryOf<Value> = [TypesOf<Value>] extends [never] ? [string, Value] : {
    [Key in KeyOf<Value>]: [Key, ValueAt<Value, Key>];
}[KeyOf<Value>];
/** The keys of a store that may hold any number; none if its values are no numbers. */
type NumberKeyOf<Value> = [TypesOf<Value>] extends [never] ? number extends Value ? string : never : {
    [Key in KeyOf<Value>]: number extends ValueAt<Value, Key> ? Key : never;
}[KeyOf<Value>];

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
declare class KeyValueStore<Value = unknown> {
    #private;
    /**
     * @param engine - An engine, also one of your own, or a transaction, or `tx.engine(name)`.
     * @param prefix - The folder of the keys, without a `/` at its end. Default: `''`, the whole engine except the
     * folders of the other models.
     * @throws StorageTypeError for anything else.
     */
    constructor(engine: StorageEngine | DataMethods, prefix?: string);
    /** The prefix that was given. */
    get prefix(): string;
    /** The value of a key, or null if it is absent. */
    get<Key extends KeyOf<Value>>(key: Key, options?: AbortOptions): Promise<ValueAt<Value, Key> | null>;
    /**
     * Writes a value. Options are those of {@link Engine}'s `set`: `ttl`, `expiresAt`, `metadata`, `ifVersion`,
     * `ifAbsent`, `signal`.
     */
    set<Key extends KeyOf<Value>>(key: Key, value: ValueAt<Value, Key>, options?: SetOptions): Promise<void>;
    /** Removes a key. True: the key was there. With `ifVersion`, only if the key has that version, else CONFLICT. */
    delete(key: KeyOf<Value>, options?: DeleteOptions): Promise<boolean>;
    /** Whether a key is there. */
    has(key: KeyOf<Value>, options?: AbortOptions): Promise<boolean>;
    /** The values of many keys, in their order, null for those that are absent. */
    mget<Key extends KeyOf<Value>>(keys: Iterable<Key>, options?: AbortOptions): Promise<(ValueAt<Value, Key> | null)[]>;
    /**
     * Writes many entries, all or none where the engine's `capabilities.atomicBatch`.
     *
     * @example
     * await settings.mset([['theme', 'dark'], ['size', 12]]);
     */
    mset(entries: Iterable<Readonly<EntryOf<Value>>>, options?: SetManyOptions): Promise<void>;
    /**
     * The store's keys of a range, in order and without the prefix.
     *
     * @param query - A glob over the keys without the prefix, or a range of them. Default: all.
     */
    keys(query?: string | Range, options?: AbortOptions): Promise<KeyOf<Value>[]>;
    /** How many keys of the store a range holds. */
    count(query?: string | Range, options?: AbortOptions): Promise<number>;
    /**
     * Removes the store's own keys of a range, in one step where the engine's `capabilities.atomicClear`.
     *
     * @param query - A glob over the keys without the prefix, or a range of them. Default: all.
     * @throws INVALID_ARGUMENT if the glob is empty, or every bound of the range is undefined.
     */
    clear(query?: string | Range, options?: AbortOptions): Promise<void>;
    /** The store's keys and values of a range, lazily, in order and without the prefix. */
    entries(query?: string | Range, options?: AbortOptions): StorageIterator<EntryOf<Value>>;
    /** The store's values of a range, lazily and in the order of their keys. */
    values(query?: string | Range, options?: AbortOptions): StorageIterator<ValueOf<Value>>;
    /** The store's keys of a range, lazily, in order and without the prefix. */
    keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<KeyOf<Value>>;
    /** Writes a value if the key has the version `expected`; null: if it is absent. */
    compareAndSet<Key extends KeyOf<Value>>(key: Key, expected: string | null, value: ValueAt<Value, Key>, options?: RecordOptions): Promise<CompareAndSetResult>;
    /** Adds to a number in one step and returns the sum. An absent key counts as 0. */
    increment(key: NumberKeyOf<Value>, by?: number, options?: RecordOptions): Promise<number>;
    /** The record of a key with its version, times, expiry and metadata; null if it is absent. */
    getEntry<Key extends KeyOf<Value>>(key: Key, options?: AbortOptions): Promise<Entry<ValueAt<Value, Key>> | null>;
    /**
     * The changes of the store's own keys as they are committed, without the prefix. Options and events are those of
     * {@link Engine}'s `watch`.
     *
     * @param pattern - A glob over the keys without the prefix. Default: all.
     * @example
     * for await (const change of settings.watch('ui:*', { signal })) console.log(change.type, change.key);
     */
    watch(pattern?: string, options?: WatchOptions): WatchIterator<ValueOf<Value>>;
    /** Shows the prefix only. */
    [inspect.custom](): string;
}

/** The status of a transaction. After a commit that failed with UNKNOWN_OUTCOME it stays `'pending'`: nobody knows. */
type TransactionStatus = 'pending' | 'committed' | 'rolled_back';
/** The section `transactions` of the manager's configuration. */
interface TransactionsConfig {
    /**
     * The folder of the log that transactions over several engines need. The first of them makes it. A process locks one
     * file in it. Default: `'./.holdfast/tx'`.
     */
    path?: string | undefined;
    /** The most milliseconds that a transaction may be idle before it is rolled back; 0: for ever. Default: 30,000. */
    timeout?: number | undefined;
}
/** Options of `beginTransaction`. */
interface TransactionOptions {
    /** The engine of the transaction's own methods. Default: the manager's `defaultEngine`. */
    engine?: string | undefined;
    /**
     * The most milliseconds that it may be idle, with no call made or under way. After them, or up to a quarter later, it
     * is rolled back and its calls reject with TRANSACTION_TIMEOUT. 0: for ever. Default: `transactions.timeout`, 30,000.
     */
    timeout?: number | undefined;
    /** Refuse writes with READ_ONLY. The transaction then need not remember what it reads. Default: false. */
    readOnly?: boolean | undefined;
}
/** Options of `storage.transaction`. */
interface RunTransactionOptions extends TransactionOptions, AbortOptions {
    /** How many times the function may be run again after a CONFLICT or LOCKED. Default: 10. */
    retries?: number | undefined;
    /**
     * Aborts: the transaction is rolled back and the call rejects with ABORTED. A commit that has begun is not aborted.
     */
    signal?: AbortSignal | undefined;
}
/** The counts of a manager's transactions since it was made. */
interface TransactionStats {
    /** Open now. */
    active: number;
    /** Committed. */
    committed: number;
    /** Rolled back for whatever reason, failed commits included. */
    rolledBack: number;
    /** Ended by UNKNOWN_OUTCOME: committed or not. */
    unknown: number;
    /** Of those rolled back: refused because what they had read was changed meanwhile. */
    conflicts: number;
    /** Of those rolled back: idle for too long. */
    timeouts: number;
    /** How many times `storage.transaction` ran its function again. */
    retries: number;
    /**
     * Transactions of a crashed process that were finished or undone as an engine was opened, counted once per engine.
     */
    recovered: number;
    /** The log of transactions over several engines, of all managers of this process that share it. */
    log: {
        /** Committed with it. */
        commits: number;
        /** Begun with it and not committed. */
        rollbacks: number;
        /** Writes to it. Each carries the records of all transactions that waited for it. */
        writes: number;
        /** Syncs of it. */
        fsyncs: number;
        /** Log files made. */
        logs: number;
    };
}
/**
 * The transactions over several engines that a crash had left in an engine, and that were finished as it was opened.
 */
interface RecoveredTransactions {
    /** Carried out: they had been decided. */
    applied: number;
    /** Dropped: they had not. */
    dropped: number;
    /** Taken back, in an engine without atomic batches. */
    undone: number;
}

/** Every code a {@link StorageError} can carry. Codes are stable: programs may branch on them. */
declare const ERROR_CODES: readonly ["ENGINE_NOT_FOUND", "INVALID_ARGUMENT", "INVALID_KEY", "UNSUPPORTED_VALUE", "VALUE_TOO_LARGE", "NOT_SUPPORTED", "CLOSED", "LOCKED", "IO", "NO_SPACE", "READ_ONLY", "CORRUPTED", "UNSUPPORTED_FORMAT", "CONNECTION", "TIMEOUT", "ABORTED", "CONFLICT", "TRANSACTION_NOT_FOUND", "TRANSACTION_COMPLETED", "TRANSACTION_TIMEOUT", "DOCUMENT_NOT_FOUND", "DUPLICATE_KEY", "VALIDATION_FAILED", "OBJECT_NOT_FOUND", "PRECONDITION_FAILED", "NODE_NOT_FOUND", "EDGE_NOT_FOUND", "BACKUP_NOT_FOUND", "BACKUP_CORRUPTED", "DECRYPTION_FAILED", "MIGRATION_LOCKED", "MIGRATION_CHANGED", "MIGRATION_FAILED", "UNKNOWN_OUTCOME"];
/** One of {@link ERROR_CODES}. */
type ErrorCode = (typeof ERROR_CODES)[number];

/** The place at which an error arose, and its cause. */
interface ErrorContext {
    /** Name of the engine, such as `'sqlite'`. */
    readonly engine?: string | undefined;
    /** The key concerned. */
    readonly key?: string | undefined;
    /** The method called, such as `'set'`. */
    readonly operation?: string | undefined;
    /** The error underneath. */
    readonly cause?: unknown;
}
/**
 * A storage operation failed.
 *
 * Messages never hold a password, key material or a stored value.
 *
 * @example
 * try {
 *   await storage.getEngine().set('greeting', () => 'hello');
 * } catch (error) {
 *   if (isStorageError(error) && error.code === 'UNSUPPORTED_VALUE') console.warn(error.message);
 * }
 */
declare class StorageError extends Error {
    /** A stable upper-case code that says what went wrong. */
    readonly code: ErrorCode;
    /** Whether the same call may succeed when it is made again: after CONFLICT, LOCKED, TIMEOUT and CONNECTION. */
    readonly retryable: boolean;
    /** Name of the engine concerned, if one is. */
    readonly engine?: string;
    /** The key concerned, if one is. */
    readonly key?: string;
    /** The method that failed, if known. */
    readonly operation?: string;
    /** Engines of your own make one to say what went wrong. */
    constructor(code: ErrorCode, message: string, context?: ErrorContext);
}
/**
 * An argument or option has the wrong JavaScript type, or does not exist. Its code is always INVALID_ARGUMENT.
 *
 * @example
 * await engine.get(42); // rejects: Expected the key to be a string, got a number
 */
declare class StorageTypeError extends TypeError {
    /** Always `'INVALID_ARGUMENT'`. */
    readonly code: ErrorCode;
    /** Always false: the call has to change. */
    readonly retryable: boolean;
    /** Name of the engine concerned, if one is. */
    readonly engine?: string;
    /** The key concerned, if one is. */
    readonly key?: string;
    /** The method that failed, if known. */
    readonly operation?: string;
    /** Engines of your own make one when they check their arguments. */
    constructor(message: string, context?: ErrorContext);
}
/**
 * Whether `error` is a {@link StorageError} or a {@link StorageTypeError}, also one made by another copy of this
 * package.
 *
 * @example
 * if (isStorageError(error) && error.retryable) return again();
 */
declare function isStorageError(error: unknown): error is StorageError | StorageTypeError;

/** The repetition of a call. */
interface RetryEvent {
    /** Name of the engine. */
    readonly engine: string;
    /** The method called; `'connect'` if an engine is opened for calls that wait, `'transaction'` for a transaction. */
    readonly operation: string;
    /** The number of the next attempt; the second is 2. */
    readonly attempt: number;
    /** Milliseconds until the next attempt. */
    readonly delay: number;
    /** The error of the last attempt. */
    readonly error: Error;
}

/**
 * The data methods of built-in engines and transactions. The addon answers a call at once if it can, else queues it.
 */
declare class NativeData implements DataMethods {
    #private;
    /** {@inheritDoc DataMethods.get} */
    get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null>;
    /** {@inheritDoc DataMethods.set} */
    set(key: string, value: unknown, options?: SetOptions): Promise<void>;
    /** {@inheritDoc DataMethods.delete} */
    delete(key: string, options?: DeleteOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.has} */
    has(key: string, options?: AbortOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.keys} */
    keys(query?: string | Range, options?: AbortOptions): Promise<string[]>;
    /** {@inheritDoc DataMethods.count} */
    count(query?: string | Range, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.clear} */
    clear(query?: string | Range, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.entries} */
    entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]>;
    /** {@inheritDoc DataMethods.values} */
    values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T>;
    /** {@inheritDoc DataMethods.keysIterator} */
    keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string>;
    /** {@inheritDoc DataMethods.getMany} */
    getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]>;
    /** {@inheritDoc DataMethods.setMany} */
    setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void>;
    /** {@inheritDoc DataMethods.deleteMany} */
    deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.batch} */
    batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.compareAndSet} */
    compareAndSet(key: string, expected: string | null, value: unknown, options?: RecordOptions): Promise<CompareAndSetResult>;
    /** {@inheritDoc DataMethods.increment} */
    increment(key: string, by?: number, options?: RecordOptions): Promise<number>;
    /** {@inheritDoc DataMethods.getEntry} */
    getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null>;
}

/** The data methods of one engine inside a transaction. */
declare class BranchData extends NativeData {
}

/**
 * Reads and writes that take effect together at `commit()`, or not at all. It has the data methods of an engine, with
 * their options. Reads see one moment of the engine, taken at the first of them, with the transaction's own writes over
 * it. `commit()` rejects with CONFLICT if something that was read has been changed since; see docs/transactions.md.
 *
 * `storage.transaction(fn)` begins, commits, rolls back and tries again by itself; this class is for doing so by hand.
 *
 * @example
 * const tx = await storage.beginTransaction();
 * try {
 *   const stock = await tx.get('stock');
 *   await tx.set('stock', stock - 1);
 *   await tx.set('order:7', { item: 'book' });
 *   await tx.commit();
 * } catch (error) {
 *   if (tx.status === 'pending') await tx.rollback();
 *   throw error;
 * }
 */
declare class Transaction extends BranchData implements AsyncDisposable {
    #private;
    /** `tx_`, the time of its beginning in milliseconds since 1970, `_`, and letters that tell it from others. */
    get id(): string;
    /** Whether it is pending, committed or rolled back. */
    get status(): TransactionStatus;
    /**
     * Another engine of the manager inside this transaction. A transaction that writes to several engines is atomic over
     * them.
     *
     * @param name - Default: the transaction's own engine.
     * @throws StorageError ENGINE_NOT_FOUND.
     * @example
     * await tx.engine('file').set('report', report);
     */
    engine(name?: string): DataMethods;
    /**
     * Makes everything take effect at once, behind the calls made before, also those that were not awaited.
     *
     * @throws CONFLICT if what was read has been changed since; TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT;
     * UNKNOWN_OUTCOME if a server's answer was lost; whatever the engine's writes reject with. Nothing is written then,
     * except perhaps after UNKNOWN_OUTCOME.
     */
    commit(): Promise<void>;
    /** Drops what was written. @throws TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT. */
    rollback(): Promise<void>;
    /** Rolls back if it is still pending. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Shows id and status only. */
    [inspect.custom](): string;
}

/**
 * The open transactions of a {@link StorageManager}: `storage.transactions`.
 *
 * @example
 * const { id } = await storage.beginTransaction();
 * await storage.transactions.rollback(id);
 */
declare class TransactionManager {
    #private;
    /** The same as `storage.beginTransaction(options)`. */
    begin(options?: TransactionOptions): Promise<Transaction>;
    /** Commits a transaction by its id. @throws TRANSACTION_NOT_FOUND, and whatever its `commit()` rejects with. */
    commit(id: string): Promise<void>;
    /** Rolls a transaction back by its id. @throws TRANSACTION_NOT_FOUND. */
    rollback(id: string): Promise<void>;
    /** The transactions that are open, in the order in which they were begun. */
    list(): Transaction[];
    /** Shows how many are open. */
    [inspect.custom](): string;
}

/**
 * The base of every engine. Extend it for an engine of your own: implement `doConnect`, `doDisconnect` and the data
 * methods. It connects once, however many calls race.
 *
 * @example
 * class MyStorage extends BaseStorageEngine {
 *   constructor(config) { super('mine', config); }
 *   async doConnect() { this.client = await open(this.config.url); }
 *   async doDisconnect() { await this.client.close(); }
 *   async get(key) { await this.ensureConnected(); return this.client.read(key); }
 *   // set, delete, has, keys, clear
 * }
 */
declare abstract class BaseStorageEngine<Config = unknown> implements StorageEngine, AsyncDisposable {
    #private;
    /** The engine's name, as errors show it. */
    readonly name: string;
    /**
     * @param name - The engine's name for errors.
     * @param config - Anything the engine needs. It is kept as `this.config`.
     */
    constructor(name: string, config?: Config);
    /** The configuration that was given to the constructor. It is never printed. */
    protected get config(): Config;
    /** Whether the engine is connected now. */
    protected get isConnected(): boolean;
    /** Whether the engine is idle, connecting, connected or closed. */
    get status(): EngineStatus;
    /** Opens the store once, however many calls race. Rejects with CLOSED after the manager's `close()`. */
    connect(): Promise<void>;
    /** Finishes running calls and closes the store. A later call connects again. */
    disconnect(): Promise<void>;
    /** The same as `disconnect()`. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Connects if the engine is not connected. Await it first in each data method of an engine of your own. */
    protected ensureConnected(): Promise<void>;
    /** The error of a call after the engine was closed. */
    protected closedError(operation: string): StorageError;
    /** Opens what the engine needs. It is never called twice at a time, nor while the engine is connected. */
    protected abstract doConnect(): Promise<void>;
    /** Closes what `doConnect` opened. */
    protected abstract doDisconnect(): Promise<void>;
    /** The value of a key, or null. */
    abstract get<T = unknown>(key: string): Promise<T | null>;
    /** Writes a value. */
    abstract set(key: string, value: unknown): Promise<void>;
    /** Removes a key. True: the key was there. */
    abstract delete(key: string): Promise<boolean>;
    /** Whether a key is there. */
    abstract has(key: string): Promise<boolean>;
    /** The keys that match a glob. Default: all keys. */
    abstract keys(pattern?: string): Promise<string[]>;
    /** Removes everything. */
    abstract clear(): Promise<void>;
    /** Shows name and status only. */
    [inspect.custom](): string;
}

/** The base of the built-in engines. Each call goes to the addon, inline if the addon answers at once, else queued. */
declare abstract class NativeEngine<Config> extends BaseStorageEngine<Config> implements Engine {
    #private;
    /** {@inheritDoc Engine.capabilities} */
    get capabilities(): Capabilities;
    /** {@inheritDoc DataMethods.get} */
    get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null>;
    /** {@inheritDoc DataMethods.set} */
    set(key: string, value: unknown, options?: SetOptions): Promise<void>;
    /** {@inheritDoc DataMethods.delete} */
    delete(key: string, options?: DeleteOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.has} */
    has(key: string, options?: AbortOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.keys} */
    keys(query?: string | Range, options?: AbortOptions): Promise<string[]>;
    /** {@inheritDoc DataMethods.count} */
    count(query?: string | Range, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.clear} */
    clear(query?: string | Range, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.entries} */
    entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]>;
    /** {@inheritDoc DataMethods.values} */
    values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T>;
    /** {@inheritDoc DataMethods.keysIterator} */
    keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string>;
    /** {@inheritDoc DataMethods.getMany} */
    getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]>;
    /** {@inheritDoc DataMethods.setMany} */
    setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void>;
    /** {@inheritDoc DataMethods.deleteMany} */
    deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.batch} */
    batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.compareAndSet} */
    compareAndSet(key: string, expected: string | null, value: unknown, options?: RecordOptions): Promise<CompareAndSetResult>;
    /** {@inheritDoc DataMethods.increment} */
    increment(key: string, by?: number, options?: RecordOptions): Promise<number>;
    /** {@inheritDoc DataMethods.getEntry} */
    getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null>;
    /** {@inheritDoc Engine.snapshot} */
    snapshot(): Promise<Snapshot>;
    /** {@inheritDoc Engine.watch} */
    watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T>;
    /** {@inheritDoc Engine.stats} */
    stats(): Promise<EngineStats>;
    /** {@inheritDoc Engine.verify} */
    verify(options?: VerifyOptions): Promise<VerifyReport>;
    /** {@inheritDoc Engine.compact} */
    compact(): Promise<void>;
    /** {@inheritDoc Engine.getSync} */
    getSync<T = unknown>(key: string): T | null;
    /** {@inheritDoc Engine.hasSync} */
    hasSync(key: string): boolean;
    /** {@inheritDoc Engine.setSync} */
    setSync(key: string, value: unknown, options?: Omit<RecordOptions, 'signal'>): void;
    /** {@inheritDoc Engine.deleteSync} */
    deleteSync(key: string): boolean;
    /** Opens the store. */
    protected doConnect(): Promise<void>;
    /** Closes the store. */
    protected doDisconnect(): Promise<void>;
}

/** Options that all built-in engines have. */
interface DurabilityOptions {
    /**
     * The failures that a resolved write survives: `'full'` power loss, `'normal'` a killed process, `'none'` neither.
     * No level shows half a write. Default: the manager's `durability`, else `'full'`.
     */
    durability?: Durability | undefined;
}

/** Options of {@link FileStorage}. */
interface FileStorageConfig extends DurabilityOptions {
    /** The folder of the store. It is made, with its parents, if it is not there. */
    basePath: string;
    /** The encoding of the files' text. Default: `'utf-8'`. */
    encoding?: 'utf-8' | 'utf16le' | undefined;
    /** Only read, and make and lock nothing. Default: false. */
    readOnly?: boolean | undefined;
    /** Milliseconds to wait for another process that holds the folder, before LOCKED. Default: 0. */
    lockTimeout?: number | undefined;
}
/**
 * Each key is a `.json` file, in folders where the key has a `/`: readable and editable with any tool. One process at a
 * time uses the store; another gets LOCKED.
 *
 * @example
 * const notes = new FileStorage({ basePath: './notes' });
 * await notes.set('2026/january', { text: 'hello' }); // ./notes/2026/january.json
 */
declare class FileStorage extends NativeEngine<FileStorageConfig> {
    /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
    constructor(config: FileStorageConfig);
}

/** Options of {@link LevelDBStorage}. */
interface LevelDBStorageConfig extends DurabilityOptions {
    /** The folder of the store. It is made, with its parents, if it is not there. */
    path: string;
    /** The bytes of the cache of blocks read from disk. Default: the engine's choice. */
    cacheSize?: number | undefined;
    /** The compression of blocks on disk. Default: the engine's choice. */
    compression?: 'none' | 'snappy' | 'lz4' | 'zstd' | undefined;
    /** Bits per key of the bloom filter, which saves reads of absent keys; 0: no filter. Default: the engine's choice. */
    bloomBits?: number | undefined;
    /** Only read. Default: false. */
    readOnly?: boolean | undefined;
    /** Milliseconds to wait for another process that holds the folder, before LOCKED. Default: 0. */
    lockTimeout?: number | undefined;
}
/**
 * A RocksDB store: the fastest for much data on disk. One process at a time uses it; another gets LOCKED. A folder that
 * LevelDB itself wrote is refused with UNSUPPORTED_FORMAT.
 *
 * @example
 * const store = new LevelDBStorage({ path: './data/level', compression: 'lz4' });
 * for await (const key of store.keysIterator({ prefix: 'log:' })) console.log(key);
 */
declare class LevelDBStorage extends NativeEngine<LevelDBStorageConfig> {
    /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
    constructor(config: LevelDBStorageConfig);
}

/** Options of {@link MemoryStorage}. */
interface MemoryStorageConfig extends DurabilityOptions {
    /**
     * The most bytes of keys and values. Over it, writes reject with NO_SPACE or old keys are dropped, as `eviction`
     * says. Default: no limit.
     */
    maxBytes?: number | undefined;
    /** `'none'` refuses writes at `maxBytes`, `'lru'` drops the keys that were unused for longest. Default: `'none'`. */
    eviction?: 'none' | 'lru' | undefined;
}
/**
 * Ordered keys in memory, with snapshots that copy nothing. Each instance is a store of its own. A disconnect keeps its
 * data.
 *
 * @example
 * const cache = new MemoryStorage({ maxBytes: 64 * 2 ** 20, eviction: 'lru' });
 * await cache.set('greeting', 'hello', { ttl: 60_000 });
 */
declare class MemoryStorage extends NativeEngine<MemoryStorageConfig> {
    /** @throws StorageTypeError for an unknown option or one of a wrong type. */
    constructor(config?: MemoryStorageConfig);
}

/** The certificates of a {@link RedisStorage} and those that it trusts. Certificates and keys are PEM texts. */
interface RedisTlsOptions {
    /** The certificates to trust instead of the public ones. */
    ca?: string | undefined;
    /** The client's certificate. */
    cert?: string | undefined;
    /** The client's private key. */
    key?: string | undefined;
    /** Whether the server's certificate is checked. Default: true. */
    rejectUnauthorized?: boolean | undefined;
    /** The name that the server's certificate must have. Default: the host. */
    serverName?: string | undefined;
}
/** Options of {@link RedisStorage}: a `url`, or `host` and the others. */
interface RedisStorageConfig extends DurabilityOptions {
    /** `redis://[[user]:password@]host[:port][/db]`, or `rediss://` for TLS. Not together with `host`. */
    url?: string | undefined;
    /** The server. Default: `'127.0.0.1'`. */
    host?: string | undefined;
    /** The server's port. Default: 6379. */
    port?: number | undefined;
    /** The user's name. Default: the server's default user. */
    username?: string | undefined;
    /** The password. It is never printed. */
    password?: string | undefined;
    /** The number of the database. Default: 0. */
    db?: number | undefined;
    /** Use TLS, with the options of an object. Default: false, or what `url` says. */
    tls?: boolean | RedisTlsOptions | undefined;
    /** A prefix of every key on the server, which separates this store from others there. Default: `''`. */
    keyPrefix?: string | undefined;
    /** The most milliseconds to connect, before CONNECTION. Default: the engine's choice. */
    connectTimeout?: number | undefined;
    /** The most milliseconds of a command, before TIMEOUT. Default: the engine's choice. */
    commandTimeout?: number | undefined;
    /**
     * Further connections for scans, at most 64. The first scan makes them; 0: scans use the one connection. Default: 1.
     */
    poolSize?: number | undefined;
    /** Keep `createdAt` and `updatedAt` of every key. It costs time and memory. Default: false. */
    timestamps?: boolean | undefined;
}
/**
 * Keys on a Redis server, each under its own name, so that other clients can read them. A lost connection is made
 * again.
 *
 * @example
 * const store = new RedisStorage({ url: process.env.REDIS_URL, keyPrefix: 'app:' });
 * await store.increment('visits');
 */
declare class RedisStorage extends NativeEngine<RedisStorageConfig> {
    /** @throws StorageTypeError for an unknown option, one of a wrong type, or `url` together with `host`. */
    constructor(config?: RedisStorageConfig);
}

/** Options of {@link SQLiteStorage}. */
interface SQLiteStorageConfig extends DurabilityOptions {
    /** The database file, or `':memory:'`. The file is made, with its folders, if it is not there. */
    path: string;
    /** The table of the records: letters, digits and `_`, not starting with a digit. Default: `'storage'`. */
    tableName?: string | undefined;
    /**
     * Is called with each statement, with placeholders and never values. True prints them to the console. What it throws
     * is an uncaught exception of its own. Default: false.
     */
    verbose?: boolean | ((sql: string) => void) | undefined;
    /** The number of connections that read at a time. Default: the engine's choice. */
    poolSize?: number | undefined;
    /** Milliseconds to wait for another process's write before TIMEOUT. Default: 5,000. */
    busyTimeout?: number | undefined;
    /** Only read. Default: false. */
    readOnly?: boolean | undefined;
    /** Keep an index on `updated_at` for other tools. It slows writes. Default: false. */
    indexUpdatedAt?: boolean | undefined;
}
/**
 * A table of a SQLite database (WAL mode), which other processes may share. Other libraries must not open the same file
 * in the same process: two copies of SQLite in one process would undo each other's locks.
 *
 * @example
 * const store = new SQLiteStorage({ path: './data/app.db', durability: 'normal' });
 * await store.setMany([['user:1', { name: 'Ada' }], ['user:2', { name: 'Alan' }]]);
 */
declare class SQLiteStorage extends NativeEngine<SQLiteStorageConfig> {
    /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
    constructor(config: SQLiteStorageConfig);
}

/**
 * A custom engine with every method an engine has. Its calls run one at a time, in the order they were made. So a
 * method that takes several of its calls (`increment`, `batch`) is one step among the calls of this process.
 */
declare class JavaScriptEngine extends BaseStorageEngine implements Engine {
    #private;
    /** The engine that is wrapped. */
    readonly target: StorageEngine;
    /** {@inheritDoc Engine.capabilities} */
    get capabilities(): Capabilities;
    /** {@inheritDoc DataMethods.get} */
    get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null>;
    /** {@inheritDoc DataMethods.set} */
    set(key: string, value: unknown, options?: SetOptions): Promise<void>;
    /** {@inheritDoc DataMethods.delete} */
    delete(key: string, options?: DeleteOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.has} */
    has(key: string, options?: AbortOptions): Promise<boolean>;
    /** {@inheritDoc DataMethods.keys} */
    keys(query?: string | Range, options?: AbortOptions): Promise<string[]>;
    /** {@inheritDoc DataMethods.count} */
    count(query?: string | Range, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.clear} */
    clear(query?: string | Range, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.entries} */
    entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]>;
    /** {@inheritDoc DataMethods.values} */
    values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T>;
    /** {@inheritDoc DataMethods.keysIterator} */
    keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string>;
    /** {@inheritDoc DataMethods.getMany} */
    getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]>;
    /** {@inheritDoc DataMethods.setMany} */
    setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void>;
    /** {@inheritDoc DataMethods.deleteMany} */
    deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number>;
    /** {@inheritDoc DataMethods.batch} */
    batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void>;
    /** {@inheritDoc DataMethods.compareAndSet} */
    compareAndSet(key: string, expected: string | null, value: unknown, options?: RecordOptions): Promise<CompareAndSetResult>;
    /** {@inheritDoc DataMethods.increment} */
    increment(key: string, by?: number, options?: RecordOptions): Promise<number>;
    /** {@inheritDoc DataMethods.getEntry} */
    getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null>;
    /** Rejects with NOT_SUPPORTED: a custom engine has no snapshots. */
    snapshot(): Promise<Snapshot>;
    /** {@inheritDoc Engine.watch} Changes made past this object are not seen, and there is no `since`. */
    watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T>;
    /** {@inheritDoc Engine.stats} */
    stats(): Promise<EngineStats>;
    /** Reads every key and reports those whose value is no storable value. */
    verify(options?: VerifyOptions): Promise<VerifyReport>;
    /** Does nothing: a custom engine keeps its data as it likes. */
    compact(): Promise<void>;
    /** Throws NOT_SUPPORTED. */
    getSync<T = unknown>(key: string): T | null;
    /** Throws NOT_SUPPORTED. */
    hasSync(key: string): boolean;
    /** Throws NOT_SUPPORTED. */
    setSync(key: string): void;
    /** Throws NOT_SUPPORTED. */
    deleteSync(key: string): boolean;
    /** Connects the wrapped engine. */
    protected doConnect(): Promise<void>;
    /** Disconnects the wrapped engine. */
    protected doDisconnect(): Promise<void>;
}

/** Options of {@link StorageManager}. */
interface StorageConfig {
    /** The engine that is used where none is named. Default: `'file'`. */
    defaultEngine?: string | undefined;
    /** Adds the engine `file`. */
    file?: FileStorageConfig | undefined;
    /** Adds the engine `sqlite`. */
    sqlite?: SQLiteStorageConfig | undefined;
    /** Adds the engine `leveldb`. */
    leveldb?: LevelDBStorageConfig | undefined;
    /** Adds the engine `redis`. */
    redis?: RedisStorageConfig | undefined;
    /** Options of the engine `memory`, which is always there. */
    memory?: MemoryStorageConfig | undefined;
    /** Engines of your own, by name. */
    engines?: Record<string, StorageEngine> | undefined;
    /** The failures that a resolved write survives, for engines whose section does not say it. Default: `'full'`. */
    durability?: Durability | undefined;
    /** The most UTF-8 bytes of an encoded value. Larger ones are refused with VALUE_TOO_LARGE. Default: 64 MiB. */
    maxValueBytes?: number | undefined;
    /**
     * Refuse undefined inside arrays and objects. Else JSON's rules hold: in an array it becomes null, and a property is
     * left out. In a Map or a Set it is always refused. Default: false.
     */
    strictUndefined?: boolean | undefined;
    /**
     * Gives the time, in milliseconds since 1970, for tests that drive expiry. It takes the place of the system's clock
     * in every store of the process until the manager is closed, also where several managers have one: the latest
     * counts. A Redis server goes by a clock of its own. Default: the system's clock.
     */
    clock?: (() => number) | undefined;
    /** How reads, transactions and connections are made again after a retryable error. */
    retry?: RetryOptions | undefined;
    /** The idle timeout of transactions, and the folder of their log. */
    transactions?: TransactionsConfig | undefined;
}
/** The built-in engines, by the sections of a {@link StorageConfig}. */
interface BuiltInEngines {
    file: FileStorage;
    sqlite: SQLiteStorage;
    leveldb: LevelDBStorage;
    redis: RedisStorage;
    memory: MemoryStorage;
}
/**
 * The engines that a configuration gives, by name.
 *
 * @typeParam Section - The sections that are given.
 * @typeParam Own - The type of the section `engines`.
 */
type ConfiguredEngines<Section extends string, Own> = Omit<Pick<BuiltInEngines, (Section & keyof BuiltInEngines) | 'memory'>, keyof Own> & {
    [Name in keyof Own]: Own[Name] extends Engine ? Own[Name] : JavaScriptEngine;
};

/** Options of `storage.copy`. */
interface CopyOptions extends LongCallOptions {
    /** The engine to read, or its name. */
    from: string | StorageEngine;
    /** The engine to write, or its name. */
    to: string | StorageEngine;
    /** Only keys that start with this text. Default: all. */
    prefix?: string | undefined;
    /** Whether keys that `to` has already are overwritten; else they are skipped. Default: true. */
    overwrite?: boolean | undefined;
}
/** The result of `storage.copy`. */
interface CopyResult {
    /** The number of keys written. */
    copied: number;
    /** The number of keys skipped, because they were there and `overwrite` is false. */
    skipped: number;
}

/**
 * The events of a {@link StorageManager}, with the arguments of their listeners. What a listener throws breaks no call:
 * it is an uncaught exception of its own.
 */
interface StorageEvents {
    /**
     * An engine could not be connected for calls that were waiting, which reject too; the handler of a consumer without
     * `onError` has failed; a consumer has ended with an error. Without a listener nothing is thrown.
     */
    error: [error: unknown, engine: string];
    /**
     * A read, a transaction, a consumer's call to its store, or the opening of an engine for calls that wait failed with
     * a retryable error and is made again.
     */
    retry: [event: RetryEvent];
    /** An engine is connected again after a disconnect. */
    reconnect: [engine: string];
    /** The connection to the engine's server was lost. Calls wait for the next one, each for `connectTimeout`. */
    down: [engine: string, error: unknown];
    /** There is a connection again, after a `down`. */
    up: [engine: string];
    /** Transactions that a crashed process had left unfinished were finished or undone as the engine was opened. */
    recovered: [engine: string, transactions: RecoveredTransactions];
}

/** The choice of the engine that a model uses. */
interface ModelOptions {
    /** The engine's name. Default: the manager's `defaultEngine`. */
    engine?: string | undefined;
}
/** Options of `storage.stats()`. */
interface StorageStatsOptions {
    /** Also ask the engines that are not open. It opens them, and makes stores that are not there. Default: false. */
    all?: boolean | undefined;
}
/** Options of `storage.verify()`. */
interface StorageVerifyOptions extends VerifyOptions, StorageStatsOptions {
}
/** The result of `storage.stats()`: the figures of each asked engine by its name, and those of the transactions. */
type StorageStats = {
    readonly [engine: string]: EngineStats;
} & {
    readonly transactions: TransactionStats;
};
/** Options of `registerEngine`. */
interface RegisterOptions {
    /** Whether the manager's `close()` closes the engine too. Default: false. */
    own?: boolean | undefined;
}

/** A web `ReadableStream`, as far as it is used. */
interface ReadableBytes {
    /** Takes the stream for one reader. */
    getReader(): {
        read(): Promise<{
            done: boolean;
            value?: Uint8Array | string | undefined;
        }>;
        cancel(reason?: unknown): Promise<void>;
    };
}
/**
 * Bytes to read: the path of a file, the bytes themselves, a Readable or another async iterable, or a web
 * `ReadableStream`. Chunks are bytes, or strings, which stand for their UTF-8.
 */
type ByteSource = string | Uint8Array | AsyncIterable<Uint8Array | string> | ReadableBytes;

/** A web `WritableStream`, as far as it is used. */
interface WritableBytes {
    /** Takes the stream for one writer. */
    getWriter(): {
        write(chunk: Uint8Array): Promise<void>;
        close(): Promise<void>;
        abort(reason?: unknown): Promise<void>;
        releaseLock(): void;
    };
}
/** Where bytes go: the path of a file, a Writable, or a web `WritableStream`. A stream is ended behind the bytes. */
type ByteTarget = string | Writable | WritableBytes;

/** Options of `storage.export`. */
interface ExportOptions extends LongCallOptions {
    /** The format: JSON Lines. */
    format: 'jsonl';
    /** Where the bytes go. A file is there whole or not at all, and only its owner may read it. */
    target: ByteTarget;
    /** The engine to read, its name, or a transaction. Default: the manager's `defaultEngine`. */
    from?: string | StorageEngine | DataMethods | undefined;
    /** Only keys that start with this text. Default: all. */
    prefix?: string | undefined;
}
/** The result of `storage.export`. */
interface ExportResult {
    /** The number of records. */
    exported: number;
}
/** Options of `storage.import`. */
interface ImportOptions extends LongCallOptions {
    /** The format: JSON Lines. */
    format: 'jsonl';
    /** Where the bytes come from. */
    source: ByteSource;
    /** The engine to write, its name, or a transaction. */
    to: string | StorageEngine | DataMethods;
    /** Is put in front of every key. Default: nothing. */
    prefix?: string | undefined;
}
/** A line that an import left out. */
interface RefusedLine {
    /** Its number, from 1 on. */
    line: number;
    /** The key, if the line has one. */
    key?: string;
    /** The code of the error. */
    code: ErrorCode;
    /** The fault. It holds no value. */
    message: string;
}
/** The result of `storage.import`. */
interface ImportResult {
    /** The number of records written. */
    imported: number;
    /** The first thousand of the lines that were left out. */
    refused: RefusedLine[];
    /** The number of all lines that were left out. */
    refusedCount: number;
}

/**
 * The engines of an application, with the models and transactions that use them. The constructor does no I/O: engines
 * connect on first use.
 *
 * @typeParam Section - The sections of the configuration, which TypeScript finds itself.
 * @typeParam Own - The type of the section `engines`.
 * @example
 * const storage = new StorageManager({ defaultEngine: 'sqlite', sqlite: { path: './data/app.db' } });
 * const users = storage.keyValue('users');
 * await users.set('ada', { born: new Date('1815-12-10') });
 * await storage.close();
 */
declare class StorageManager<Section extends keyof StorageConfig = never, Own extends Record<string, StorageEngine> = Record<never, never>> implements AsyncDisposable {
    #private;
    /** The open transactions. */
    readonly transactions: TransactionManager;
    /** @throws StorageTypeError for an unknown option or one of a wrong type. */
    constructor(given?: Pick<StorageConfig, Section> & {
        engines?: Own | undefined;
    });
    /**
     * An engine by its name. TypeScript knows the type of those in the configuration.
     *
     * @param name - Default: the `defaultEngine`.
     * @throws StorageError ENGINE_NOT_FOUND.
     */
    getEngine<Name extends keyof ConfiguredEngines<Section, Own>>(name: Name): ConfiguredEngines<Section, Own>[Name];
    getEngine(name?: string): Engine;
    /**
     * Adds an engine, one of your own or one made by hand, or replaces the engine of this name. An engine of your own is
     * wrapped once; `getEngine(name)` gives the wrapper, whose `target` is the original.
     *
     * @throws StorageTypeError if `engine` lacks one of the eight methods.
     */
    registerEngine(name: string, engine: StorageEngine, options?: RegisterOptions): this;
    /**
     * Connects every engine, used or not, and rejects if one cannot be connected. So it makes the stores that are not
     * there. Without it engines connect on first use.
     */
    connect(): Promise<void>;
    /**
     * A key-value store.
     *
     * @param prefix - The folder its keys lie in. Default: `''`, the whole engine.
     * @example
     * const settings = storage.keyValue('settings', { engine: 'file' });
     */
    keyValue<Value = unknown>(prefix?: string, options?: ModelOptions): KeyValueStore<Value>;
    /**
     * Begins a transaction, which its `commit()` or `rollback()` ends. It does no I/O: the first call opens the engine,
     * and all reads see the moment of the first of them.
     *
     * @throws ENGINE_NOT_FOUND; CLOSED.
     * @example
     * await using tx = await storage.beginTransaction({ engine: 'sqlite' });
     * await tx.increment('visits');
     * await tx.commit();
     */
    beginTransaction(options?: TransactionOptions): Promise<Transaction>;
    /**
     * Runs a function in a transaction: commits when it returns, rolls back when it throws, and runs it again, in a new
     * transaction, after a CONFLICT or another error that may pass. So the function may run several times, with whatever
     * it does besides its transaction.
     *
     * @returns What the function returned.
     * @throws Whatever the function throws, and whatever the commit rejects with once there are no more retries. Nothing
     * is written then, unless the error is UNKNOWN_OUTCOME or the function had committed by itself.
     * @example
     * const left = await storage.transaction(async (tx) => {
     *   const stock = (await tx.get<number>('stock')) ?? 0;
     *   if (stock === 0) throw new Error('sold out');
     *   await tx.set('stock', stock - 1);
     *   return stock - 1;
     * });
     */
    transaction<T>(run: (transaction: Transaction) => Promise<T> | T, options?: RunTransactionOptions): Promise<T>;
    /**
     * Hands the changes of keys to a function, a commit at a time, and keeps in the engine how far that is done. It goes
     * on there after a restart, whatever was changed meanwhile: each change is handed over at least once. Of all
     * consumers of a name, in all processes, one is at work. docs/consumers.md has the details.
     *
     * @param name - The identity of the consumer in its engine.
     * @param pattern - A glob over the keys.
     * @param handler - Is called with the events of a commit. They are done when it returns, or its promise resolves. If
     * it fails, it is called again.
     * @throws StorageTypeError for an argument or option of a wrong type; StorageError ENGINE_NOT_FOUND, CLOSED. Other
     * errors reject `ready` and `done` of the consumer.
     * @example
     * storage.consume('search-index', 'article:*', async (events) => {
     *   for (const event of events) await index.update(event.key, event.value);
     * });
     */
    consume<T = unknown>(name: string, pattern: string, handler: ConsumeHandler<T>, options?: ConsumeOptions<T>): Consumer;
    /**
     * Copies the records of one engine to another, with expiry and metadata, in steps: writes meanwhile may or may not be
     * copied. It leaves out the folders of the models. An abort between two steps keeps what was copied.
     *
     * @example
     * const { copied } = await storage.copy({ from: 'file', to: 'sqlite', prefix: 'users/' });
     */
    copy(options: CopyOptions): Promise<CopyResult>;
    /**
     * Writes the records of an engine, with expiry and metadata, as JSON Lines (docs/formats/json-lines.md). It reads one
     * moment where the engine has snapshots, and leaves out the folders of the models. A failed or aborted export leaves
     * no file.
     *
     * @throws NOT_SUPPORTED for another format; IO, NO_SPACE; whatever the target fails with.
     * @example
     * await storage.export({ format: 'jsonl', target: './users.jsonl', from: 'sqlite', prefix: 'users/' });
     */
    export(options: ExportOptions): Promise<ExportResult>;
    /**
     * Writes the records of JSON Lines to an engine, over those that have their keys, in batches: it is not atomic. A
     * line that is no record, or that the engine refuses, is reported and left out. What was written before an abort or a
     * failure stays. To have all or nothing, import into a transaction.
     *
     * @throws NOT_SUPPORTED for another format; whatever the source or the engine fails with.
     * @example
     * const { imported, refused } = await storage.import({ format: 'jsonl', source: './users.jsonl', to: 'sqlite' });
     */
    import(options: ImportOptions): Promise<ImportResult>;
    /**
     * Figures of the engines that are open, by name, and of the transactions.
     *
     * @example
     * const { sqlite, transactions } = await storage.stats();
     */
    stats(options?: StorageStatsOptions): Promise<StorageStats>;
    /**
     * Reads everything in the engines that are open and reports damage, by the engine's name.
     *
     * @example
     * const reports = await storage.verify({ all: true }); // opens the others, too
     */
    verify(options?: StorageVerifyOptions): Promise<Record<string, VerifyReport>>;
    /** Calls `listener` each time an event happens. */
    on<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this;
    /** Calls `listener` the next time an event happens. */
    once<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this;
    /** Removes a listener. */
    off<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this;
    /**
     * Closes the manager: new calls reject with CLOSED, running ones finish, open transactions are rolled back, iterators
     * and snapshots end with CLOSED, and loops over watches end. The engines that the manager made are closed; those that
     * it was given only if they were registered with `own: true`. Closing again does nothing.
     */
    close(): Promise<void>;
    /** The same as `close()`. */
    [Symbol.asyncDispose](): Promise<void>;
    /** Shows the engines' names only. */
    [inspect.custom](): string;
}

/**
 * Decodes what {@link encode} returned, or any JSON text. A tag counts only in its exact shape; an object that merely
 * looks like a tag is a plain object.
 *
 * @param stored - JSON text, or a Buffer, which is the value itself.
 * @throws {@link StorageError} CORRUPTED if the text is not JSON; {@link StorageTypeError} for any other type.
 * @example
 * decode('{"born":{"$date":"1970-01-01T00:00:00.000Z"}}'); // { born: new Date(0) }
 */
declare function decode<T = unknown>(stored: string | Buffer): T;

/**
 * Encodes a value as every engine stores it: a Buffer as itself, anything else as JSON text. The text of plain JSON
 * values is that of `JSON.stringify`; other types are tagged, as in `{"$date":"2026-01-02T03:04:05.678Z"}`.
 *
 * @param value - null, boolean, number, string, bigint, Date, Buffer, typed array, ArrayBuffer, Map, Set, RegExp, an
 * array or a plain object of these, or an object with `toJSON`. As in JSON, undefined in an array becomes null, and a
 * property that is undefined is left out. In a Map or a Set it is refused.
 * @param maxBytes - The most UTF-8 bytes of the text, or bytes of the Buffer. Default: 64 MiB.
 * @throws {@link StorageError} UNSUPPORTED_VALUE, with the path, for functions, symbols, cycles, holes, invalid Dates,
 * class instances without `toJSON` and other values that would not come back; VALUE_TOO_LARGE over `maxBytes`.
 * @example
 * encode({ born: new Date(0) }); // '{"born":{"$date":"1970-01-01T00:00:00.000Z"}}'
 */
declare function encode(value: unknown, maxBytes?: number): string | Buffer;

export { BaseStorageEngine, Consumer, ERROR_CODES, FileStorage, JavaScriptEngine, KeyValueStore, LevelDBStorage, MemoryStorage, RedisStorage, SQLiteStorage, Snapshot, StorageError, StorageManager, StorageTypeError, Transaction, TransactionManager, decode, encode, isStorageError };
export type { AbortOptions, BatchOperation, BuiltInEngines, ByteSource, ByteTarget, Capabilities, ClearEvent, CompareAndSetResult, ConfiguredEngines, ConsumeContext, ConsumeDecision, ConsumeFailure, ConsumeGap, ConsumeHandler, ConsumeOptions, ConsumerState, ConsumerStats, CopyOptions, CopyResult, DataMethods, DeclaredCapabilities, DeleteEvent, DeleteOptions, Durability, DurabilityOptions, Engine, EngineCounters, EngineStats, EngineStatus, Entry, EntryOf, ErrorCode, ErrorContext, EventPlace, ExportOptions, ExportResult, FileStorageConfig, ImportOptions, ImportResult, KeyMap, KeyOf, KeyOperation, LevelDBStorageConfig, LongCallOptions, MemoryStorageConfig, ModelOptions, NumberKeyOf, Progress, Range, ReadableBytes, RecordOptions, RecoveredTransactions, RedisStorageConfig, RedisTlsOptions, RefusedLine, RegisterOptions, RetryEvent, RetryOptions, RunTransactionOptions, SQLiteStorageConfig, SetEvent, SetManyOptions, SetOptions, StorageConfig, StorageEngine, StorageEvents, StorageIterator, StorageStats, StorageStatsOptions, StorageVerifyOptions, StoredOptions, TransactionOptions, TransactionStats, TransactionStatus, TransactionsConfig, ValueAt, ValueOf, VerifyOptions, VerifyReport, WatchEvent, WatchIterator, WatchOptions, WritableBytes };
