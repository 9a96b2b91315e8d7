/** The keys that a call applies to. Bounds and prefix compare by UTF-8 bytes. A key has to match everything given. */
export interface Range {
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
export interface AbortOptions {
  /** Aborts the call: it rejects with ABORTED, an `AbortError`. What was queued already may still take effect. */
  signal?: AbortSignal | undefined;
}

/** Options of `delete`. */
export interface DeleteOptions extends AbortOptions {
  /** Remove the key only if it has this version, else reject with CONFLICT. */
  ifVersion?: string | undefined;
}

/** The expiry and the metadata of a record that is written. */
export interface RecordOptions extends AbortOptions {
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
export interface SetOptions extends RecordOptions {
  /** Write only if the key has this version, else reject with CONFLICT. */
  ifVersion?: string | undefined;
  /** Write only if the key is absent, else reject with CONFLICT. Default: false. */
  ifAbsent?: boolean | undefined;
}

/** Options of `setMany`. They apply to each of its entries. */
export interface SetManyOptions extends RecordOptions {
  /** Write only if every key is absent, else reject with CONFLICT and write none. Default: false. */
  ifAbsent?: boolean | undefined;
}

/** One step of `batch`. All checks are made against the state before the batch. The other steps apply in order. */
export type BatchOperation =
  | ({ type: 'set'; key: string; value: unknown } & Omit<SetOptions, 'signal'>)
  | { type: 'delete'; key: string }
  | {
      type: 'deleteRange';
      /** A glob or a range. The keys of the models are left out. */
      range: string | Range;
    }
  | {
      type: 'check';
      key: string;
      /** The version the key must have; null: it must be absent. */
      version: string | null;
    };

/** A step of `batch` that concerns one key. */
export type KeyOperation = Exclude<BatchOperation, { type: 'deleteRange' }>;

/** A record as `getEntry` returns it. */
export interface Entry<T = unknown> {
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
export interface CompareAndSetResult {
  /** Whether the value was written. */
  ok: boolean;
  /** The version written, or else the version found; null: the key is absent. */
  version: string | null;
}

/** The abilities of an engine. */
export interface Capabilities {
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
export type EngineStatus = 'idle' | 'connecting' | 'connected' | 'closed';

/** The failures that a resolved write survives: `full` power loss, `normal` death of the process, `none` neither. */
export type Durability = 'full' | 'normal' | 'none';

/**
 * The counts of a store since this process opened it. All engines of the process that share the store are counted
 * together. A count that an engine does not have is null: memory has no cache beside itself, a custom engine counts
 * nothing.
 */
export interface EngineCounters {
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
export interface EngineStats {
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
export interface Progress {
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
export interface LongCallOptions extends AbortOptions {
  /** Is called from time to time with the call's progress. What it throws is an uncaught exception of its own. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of `verify`. */
export interface VerifyOptions extends LongCallOptions {
  /** Set damaged data aside, so that the store works again; nothing is destroyed. Default: false. */
  repair?: boolean | undefined;
}

/** The result of `verify`. */
export interface VerifyReport {
  /** Whether nothing is damaged. */
  ok: boolean;
  /** The number of keys checked. */
  checked: number;
  /** The damage found. */
  errors: { key?: string; code: string; message: string }[];
}

/**
 * How reads, transactions and connections are made again after a retryable error. Writes outside of transactions are
 * not made again: they would come after later ones.
 */
export interface RetryOptions {
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
export interface StorageIterator<T> extends AsyncIterableIterator<T>, AsyncDisposable {
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
