import type { AbortOptions, Range } from '../types.js';

/** Options of `watch`. */
export interface WatchOptions extends AbortOptions {
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
export interface EventPlace {
  /** The number of the commit. The events of a batch have the same number, and come one after the other. */
  commit: number;
  /** Whether it is the last event of its commit. */
  last: boolean;
  /** An opaque text, which `since` takes: the watch then begins with the event after this one. */
  cursor: string;
}

/** A key was written. */
export interface SetEvent<T = unknown> extends EventPlace {
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
export interface DeleteEvent extends EventPlace {
  type: 'delete';
  key: string;
  version: null;
}

/** Keys were removed together, by `clear`. */
export interface ClearEvent extends EventPlace {
  type: 'clear';
  /** The bounds of the keys; absent if they are all keys that the watch matches. */
  range?: Pick<Range, 'prefix' | 'gt' | 'gte' | 'lt' | 'lte'>;
  version: null;
}

/** A change that `watch` tells. */
export type WatchEvent<T = unknown> = SetEvent<T> | DeleteEvent | ClearEvent;

/**
 * The changes of a store as they are committed. The watch is open from the call of `watch` on. Leaving a `for await`
 * loop, `return()`, disposal and the signal end it at once.
 */
export interface WatchIterator<T = unknown> extends AsyncIterableIterator<WatchEvent<T>>, AsyncDisposable {
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
