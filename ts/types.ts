/** Which keys a call means. Bounds and prefix compare by UTF-8 bytes; all that is given has to hold. */
export interface Range {
  /** Only keys that start with this text. */
  prefix?: string | undefined;
  /** Only keys behind this one. */
  gt?: string | undefined;
  /** Only this key and those behind it. */
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
  /** From the last key to the first. Default: false. */
  reverse?: boolean | undefined;
  /** At most so many keys, counted in the direction of `reverse`. Default: all. */
  limit?: number | undefined;
}

/** A call that can be given up. */
export interface AbortOptions {
  /**
   * Gives the call up: it rejects with ABORTED, an `AbortError`. What was queued already may still take effect.
   */
  signal?: AbortSignal | undefined;
}

/** How long a written record stays, and what it carries. */
export interface RecordOptions extends AbortOptions {
  /** Milliseconds from now until the key is absent; more than 0. Not together with `expiresAt`. */
  ttl?: number | undefined;
  /** The moment, in milliseconds since 1970, from which on the key is absent. */
  expiresAt?: number | undefined;
  /** Any storable value kept beside the record; `getEntry` returns it. */
  metadata?: unknown;
}

/** Options of `set`. A record is written whole: expiry and metadata it had before are gone unless given again. */
export interface SetOptions extends RecordOptions {
  /** Write only if the key has this version now, else reject with CONFLICT. */
  ifVersion?: string | undefined;
  /** Write only if the key is absent, else reject with CONFLICT. Default: false. */
  ifAbsent?: boolean | undefined;
}

/** Options of `setMany`; they hold for each of its entries. */
export interface SetManyOptions extends RecordOptions {
  /** Write only if every key is absent, else reject with CONFLICT and write none. Default: false. */
  ifAbsent?: boolean | undefined;
}

/** One step of `batch`. Checks are made against the state before the batch; the others apply in order. */
export type BatchOperation =
  | ({ type: 'set'; key: string; value: unknown } & Omit<SetOptions, 'signal'>)
  | { type: 'delete'; key: string }
  | {
      type: 'check';
      key: string;
      /** The version the key must have; null: it must be absent. */
      version: string | null;
    };

/** A record as `getEntry` returns it. */
export interface Entry<T = unknown> {
  /** The value. */
  value: T;
  /** Opaque; equal versions mean the same value and expiry. */
  version: string;
  /** When the key was first written, in milliseconds since 1970; null if the engine does not keep it. */
  createdAt: number | null;
  /** When the key was last written, in milliseconds since 1970; null if the engine does not keep it. */
  updatedAt: number | null;
  /** When the key becomes absent, in milliseconds since 1970; null: never. */
  expiresAt: number | null;
  /** What was given as `metadata`; null if nothing was. */
  metadata: unknown;
}

/** What `compareAndSet` did. */
export interface CompareAndSetResult {
  /** Whether the value was written. */
  ok: boolean;
  /** The version written, or if nothing was, the one found there instead; null: the key is absent. */
  version: string | null;
}

/** What an engine can do. */
export interface Capabilities {
  /** `snapshot()` gives one moment of the store, and so does every iterator. */
  readonly snapshots: boolean;
  /** `batch`, `setMany` and `deleteMany` take effect as one. */
  readonly atomicBatch: boolean;
  /** `clear` takes effect as one. */
  readonly atomicClear: boolean;
  /** Records have `createdAt` and `updatedAt` without being asked for. */
  readonly timestamps: boolean;
  /** Whose changes can be watched: none, those of this process, or those of every process. */
  readonly watch: 'none' | 'process' | 'shared';
  /** Several processes may open one store. */
  readonly multiProcess: boolean;
  /** `getSync`, `hasSync`, `setSync` and `deleteSync` work. */
  readonly sync: boolean;
}

/** Where an engine stands: `idle` connects on the next call; `closed` is final. */
export type EngineStatus = 'idle' | 'connecting' | 'connected' | 'closed';

/** How sure a resolved write is: `full` survives power loss, `normal` the death of the process, `none` neither. */
export type Durability = 'full' | 'normal' | 'none';

/**
 * What a store has counted since this process opened it, by whichever engines share it. What an engine cannot tell is null: memory has
 * no cache beside itself, an engine of the user's own counts nothing.
 */
export interface EngineCounters {
  /** Batches that took effect. A write of one key is a batch, and so is the commit of a transaction. */
  commits: number | null;
  /** Batches refused with CONFLICT: a condition did not hold, or an undecided transaction over several engines holds a key. */
  conflicts: number | null;
  /** Writes of the medium that those commits took: fewer than commits where concurrent ones were written, and synced, together. */
  groups: number | null;
  /**
   * Syncs of files and folders that the engine asked the system for. On leveldb those for commits, not RocksDB's own at flushes and
   * compactions; on sqlite one a synced commit and two a checkpoint.
   */
  fsyncs: number | null;
  /** Keys read, outside snapshots and listings, that the engine's own cache held. */
  cacheHits: number | null;
  /** Keys read, outside snapshots and listings, for which files or database were asked. */
  cacheMisses: number | null;
  /** Pieces of work left by a crash that were finished or dropped: batches of the file engine, parts of transactions over several engines. */
  recoveries: number | null;
  /** Reads made again after a retryable error, and openings of the engine for calls that waited. Transactions run again are counted by the manager. */
  retries: number | null;
}

/** Figures of a store. What an engine cannot tell is null. */
export interface EngineStats {
  /** Keys, expired ones that are not swept yet included. */
  keys: number | null;
  /** Bytes in memory that the store itself accounts for. */
  memoryBytes: number | null;
  /** Bytes on disk. */
  diskBytes: number | null;
  /** The number of the latest commit: what `watch` takes as `since`. */
  commit: number | null;
  /** The first commit that `since` can name, as far as the change log reaches back; null while it is off. */
  logFloor: number | null;
  /** What happened since this process opened the store. */
  counters: EngineCounters;
  /** Figures of this engine alone, by name. */
  details: Record<string, number>;
}

/** How far a long call is. */
export interface Progress {
  /** What is being done, such as `'verify'` or `'copy'`. */
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
  /** Is told from time to time how far the call is. What it throws is ignored. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** Options of `verify`. */
export interface VerifyOptions extends LongCallOptions {
  /** Set damaged data aside, so that the store works again; nothing is destroyed. Default: false. */
  repair?: boolean | undefined;
}

/** What `verify` found. */
export interface VerifyReport {
  /** Whether nothing is damaged. */
  ok: boolean;
  /** Keys looked at. */
  checked: number;
  /** What is damaged. */
  errors: { key?: string; code: string; message: string }[];
}

/**
 * How reads, transactions and connections that failed with a retryable error are made again. Other writes are not: they would come
 * behind later ones.
 */
export interface RetryOptions {
  /** Attempts in all, the first included. Default: 3. */
  attempts?: number | undefined;
  /** Milliseconds before the second attempt; it doubles each time, with jitter. Default: 50. */
  minDelay?: number | undefined;
  /** The most milliseconds between two attempts. Default: 2,000. */
  maxDelay?: number | undefined;
}

/**
 * An async iterator over a store, in key order. Leaving a `for await` loop early, `return()` and disposal free what it
 * holds; so does the engine's close, after which `next()` rejects with CLOSED. Nothing is read before the first `next()`.
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
