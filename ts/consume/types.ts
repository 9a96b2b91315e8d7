import type { AbortOptions, RetryOptions } from '../types.js';
import type { WatchEvent } from '../watch/types.js';

/** What a handler is told besides the events. */
export interface ConsumeContext {
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
export type ConsumeHandler<T = unknown> = (events: WatchEvent<T>[], context: ConsumeContext) => unknown;

/** A call that failed. */
export interface ConsumeFailure<T = unknown> {
  /** The events of the call; none if `onGap` failed. */
  events: WatchEvent<T>[];
  /** The place behind the events. */
  cursor: string;
  /** How many attempts have failed. */
  attempt: number;
}

/** How a consumer goes on after a failure: with the same events, behind them, or not at all. */
export type ConsumeDecision = 'retry' | 'skip' | 'stop';

/** Changes that the change log does not have any more. */
export interface ConsumeGap {
  /** The place behind the last change that was handed over. */
  cursor: string;
  /** Fires when the consumer is being stopped, or has lost its name to another one. */
  signal: AbortSignal;
}

/** Options of `storage.consume`. */
export interface ConsumeOptions<T = unknown> extends AbortOptions {
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
  onError?:
    | ((
        error: unknown,
        failure: ConsumeFailure<T>,
      ) => ConsumeDecision | void | undefined | Promise<ConsumeDecision | void | undefined>)
    | undefined;
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
export type ConsumerState = 'starting' | 'standby' | 'running' | 'paused' | 'retrying' | 'stopped' | 'failed';

/** Figures of a consumer. Counts are those of this object. */
export interface ConsumerStats {
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
