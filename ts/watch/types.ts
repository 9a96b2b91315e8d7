import type { AbortOptions, Range } from '../types.js';

/** Options of `watch`. */
export interface WatchOptions extends AbortOptions {
  /**
   * The commit behind which to begin, from an event or from `stats()`: what was committed since then comes first, over the
   * change log, and nothing is left out or told twice. Asking for it switches the log on, for good. Default: from now on.
   */
  since?: number | undefined;
  /** Commits that may wait to be taken; one more ends the watch with NO_SPACE, and so do 16 MiB of keys and values. Default: 1,024. */
  maxQueue?: number | undefined;
  /** Whether the open watch keeps the process alive. Default: true. */
  persistent?: boolean | undefined;
}

/** A key was written. */
export interface SetEvent<T = unknown> {
  type: 'set';
  key: string;
  /** What was written. Left out where the change comes from the log and the key has been changed since: a later event says how. */
  value?: T;
  /** As `getEntry` has it; null on an engine of your own without versions. */
  version: string | null;
  /** The number of the commit. Events of one batch have the same, and come one behind the other. */
  commit: number;
}

/** A key was removed. */
export interface DeleteEvent {
  type: 'delete';
  key: string;
  version: null;
  commit: number;
}

/** Keys were removed together, by `clear`. */
export interface ClearEvent {
  type: 'clear';
  /** Which: absent if they are all that the watch matches, else their bounds. */
  range?: Pick<Range, 'prefix' | 'gt' | 'gte' | 'lt' | 'lte'>;
  version: null;
  commit: number;
}

/** What `watch` tells. */
export type WatchEvent<T = unknown> = SetEvent<T> | DeleteEvent | ClearEvent;

/**
 * The changes of a store as they are committed. It is open from the call of `watch` on; leaving a `for await` loop,
 * `return()`, disposal and the signal end it at once.
 */
export interface WatchIterator<T = unknown> extends AsyncIterableIterator<WatchEvent<T>>, AsyncDisposable {
  /**
   * Resolves once everything committed from now on is told: changes made through this process are from the call of `watch`
   * on, those of others from here. Rejects if the watch ends before.
   */
  readonly ready: Promise<void>;
  /** The next event. Rejects with why the watch ended, once. */
  next(): Promise<IteratorResult<WatchEvent<T>, undefined>>;
  /** Ends the watch. */
  return(): Promise<IteratorResult<WatchEvent<T>, undefined>>;
  /** Ends the watch, and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<WatchEvent<T>, undefined>>;
  /** The iterator itself. */
  [Symbol.asyncIterator](): WatchIterator<T>;
  /** The same as `return()`. */
  [Symbol.asyncDispose](): Promise<void>;
}
