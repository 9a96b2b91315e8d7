import {
  boolean,
  callback,
  either,
  integer,
  milliseconds,
  nonEmptyString,
  oneOf,
  section,
  signal,
} from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import type { Shape } from '../arguments/options.js';
import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import type { RetryPolicy } from '../retry.js';
import { place } from '../watch/options.js';
import type { ConsumeHandler, ConsumeOptions } from './types.js';

const LONGEST_NAME = 200;

const CONSUME_SHAPE: Shape = {
  engine: nonEmptyString,
  from: either(oneOf('now', 'earliest'), place),
  batchSize: integer(1, 10_000),
  retry: section({ attempts: integer(1), minDelay: milliseconds, maxDelay: milliseconds }),
  onError: callback,
  onGap: callback,
  sessionTimeout: integer(1_000),
  grace: milliseconds,
  persistent: boolean,
  signal,
};

/** The checked options of a consumer. */
export interface CheckedConsumeOptions {
  readonly from: string;
  readonly batchSize: number;
  readonly retry: RetryPolicy;
  readonly onError: ConsumeOptions['onError'];
  readonly onGap: ConsumeOptions['onGap'];
  readonly sessionTimeout: number;
  readonly grace: number;
  readonly persistent: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Throws a StorageTypeError for a name, a handler or options of a wrong type. */
export function checkedConsumeOptions(
  name: string,
  handler: ConsumeHandler,
  options: ConsumeOptions | undefined,
): CheckedConsumeOptions {
  if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME || !name.isWellFormed()) {
    const what = `a non-empty string of at most ${LONGEST_NAME} characters, without lone surrogates`;
    throw new StorageTypeError(`Expected the name of a consumer to be ${what}, got ${describeKind(name)}`);
  }
  if (typeof handler !== 'function')
    throw new StorageTypeError(`Expected the handler of consume to be a function, got ${describeKind(handler)}`);
  checkOptions('consume', options, CONSUME_SHAPE);
  const { from = 'now', batchSize = 1, retry, onError, onGap, signal } = options ?? {};
  const { sessionTimeout = 30_000, grace = 10_000, persistent = true } = options ?? {};
  const { attempts = Infinity, minDelay = 100, maxDelay = 30_000 } = retry ?? {};
  const policy = { attempts, minDelay, maxDelay };
  return { from: String(from), batchSize, retry: policy, onError, onGap, sessionTimeout, grace, persistent, signal };
}
