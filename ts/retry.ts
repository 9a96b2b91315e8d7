import { integer, milliseconds } from './arguments/option-types.js';
import { checkOptions } from './arguments/options.js';
import type { Shape } from './arguments/options.js';
import type { RetryOptions } from './types.js';

/** How often and when calls are made again after a retryable error. Delays are in milliseconds. */
export type RetryPolicy = { readonly [name in keyof RetryOptions]-?: number };

export const DEFAULT_RETRY: RetryPolicy = { attempts: 3, minDelay: 50, maxDelay: 2_000 };

export const RETRY_SHAPE: Shape = { attempts: integer(1, 1_000), minDelay: milliseconds, maxDelay: milliseconds };

export function retryPolicy(options: RetryOptions | undefined): RetryPolicy {
  checkOptions('retry', options, RETRY_SHAPE);
  return {
    attempts: options?.attempts ?? DEFAULT_RETRY.attempts,
    minDelay: options?.minDelay ?? DEFAULT_RETRY.minDelay,
    maxDelay: options?.maxDelay ?? DEFAULT_RETRY.maxDelay,
  };
}

/** The delay doubles with each failure, up to `maxDelay`. Half is random, so that callers do not retry all at once. */
export function retryDelay({ minDelay, maxDelay }: RetryPolicy, failures: number): number {
  const full = Math.min(maxDelay, minDelay * 2 ** (failures - 1));
  return full / 2 + Math.random() * (full / 2);
}
