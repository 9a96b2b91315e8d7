import { DEFAULT_RULES } from '../codec/rules.js';
import type { ValueRules } from '../codec/rules.js';
import { DEFAULT_RETRY } from '../retry.js';
import type { RetryPolicy } from '../retry.js';

/** The repetition of a call. */
export interface RetryEvent {
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

/** The manager's decisions for its engines, and its listeners to them. */
export interface EngineHooks {
  readonly rules: ValueRules;
  readonly retry: RetryPolicy;
  onRetry(event: RetryEvent): void;
  onReconnect(engine: string): void;
  onDown(engine: string, error: unknown): void;
  onUp(engine: string): void;
  onError(error: unknown, engine: string): void;
}

/** The hooks of an engine without a manager. */
export const NO_HOOKS: EngineHooks = {
  rules: DEFAULT_RULES,
  retry: DEFAULT_RETRY,
  onRetry() {},
  onReconnect() {},
  onDown() {},
  onUp() {},
  onError() {},
};
