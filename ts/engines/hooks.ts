import { DEFAULT_MAX_VALUE_BYTES } from '../codec/tags.js';
import { DEFAULT_RETRY } from '../retry.js';
import type { RetryPolicy } from '../retry.js';

/** A call that is made again. */
export interface RetryEvent {
  /** Name of the engine. */
  readonly engine: string;
  /** The method called; `'connect'` for the opening of an engine that calls wait for, `'transaction'` for a transaction. */
  readonly operation: string;
  /** Which attempt comes next; the second is 2. */
  readonly attempt: number;
  /** Milliseconds until then. */
  readonly delay: number;
  /** Why the last attempt failed. */
  readonly error: Error;
}

/** What a manager decides for its engines and hears of them. */
export interface EngineHooks {
  readonly maxValueBytes: number;
  readonly retry: RetryPolicy;
  onRetry(event: RetryEvent): void;
  onReconnect(engine: string): void;
  onError(error: unknown, engine: string): void;
}

/** For an engine that stands alone. */
export const NO_HOOKS: EngineHooks = {
  maxValueBytes: DEFAULT_MAX_VALUE_BYTES,
  retry: DEFAULT_RETRY,
  onRetry() {},
  onReconnect() {},
  onError() {},
};
