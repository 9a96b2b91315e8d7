import { abortable } from '../abort.js';
import { describeKind } from '../codec/kinds.js';
import { isFailedCondition } from '../engines/data.js';
import { StorageTypeError, isStorageError } from '../errors.js';
import type { StorageError } from '../errors.js';
import { retryDelay } from '../retry.js';
import type { RetryPolicy } from '../retry.js';
import { DEFAULT_RETRIES, checkRun } from './options.js';
import type { RunTransactionOptions } from './options.js';
import type { Transaction } from './transaction.js';
import { lifeOf } from './transaction.js';
import type { Turns } from './turns.js';

/** What a function to be run in a transaction may be. */
export type TransactionFunction<T> = (transaction: Transaction) => Promise<T> | T;

/** Whoever begins transactions for functions, and hears of their repetition. */
export interface Runner {
  readonly retry: RetryPolicy;
  readonly turns: Turns;
  begin(options: RunTransactionOptions): Promise<Transaction>;
  /** Tells of the attempt that comes next, and waits until then. */
  pause(engine: string | undefined, attempt: number, delay: number, error: StorageError | StorageTypeError): Promise<void>;
}

/** Runs `fn` in a transaction and commits it; again, in a new one, after an error that may pass. */
export async function runTransaction<T>(runner: Runner, fn: TransactionFunction<T>, options: RunTransactionOptions = {}): Promise<T> {
  checkRun(options);
  if (typeof fn !== 'function') throw new StorageTypeError(`Expected transaction to be given a function, got ${describeKind(fn)}`);
  const { engine, signal, retries = DEFAULT_RETRIES, ...begin } = options;
  for (let failures = 1; ; failures++) {
    const end = await turnOf(runner.turns, options);
    let transaction: Transaction | undefined;
    try {
      transaction = await abortable(signal, engine, 'transaction', () => runner.begin({ engine, ...begin }), () => {});
      return await attempt(transaction, fn, options, end);
    } catch (error) {
      end();
      if (transaction === undefined) throw error;
      if (!isStorageError(error) || failures > allowed(error, retries, runner.retry)) throw error;
      // Not what was applied, and not what may have been.
      if (transaction.status !== 'rolled_back') throw error;
      const delay = delayAfter(error, failures, runner.retry);
      await abortable(signal, engine, 'transaction', () => runner.pause(engine, failures + 1, delay, error), () => {});
    }
  }
}

/** Waits for a turn, which passes on if the caller does not want it any more. */
function turnOf(turns: Turns, { engine, signal }: RunTransactionOptions): (() => void) | Promise<() => void> {
  const turn = turns.take();
  if (typeof turn === 'function' || signal === undefined) return turn;
  return abortable(signal, engine, 'transaction', () => turn, () => {}).catch((error: unknown) => {
    void turn.then((end) => end());
    throw error;
  });
}

async function attempt<T>(
  transaction: Transaction, fn: TransactionFunction<T>, { engine, signal }: RunTransactionOptions, endTurn: () => void,
): Promise<T> {
  const life = lifeOf(transaction);
  try {
    const result = await abortable(signal, engine, 'transaction', async () => fn(transaction), () => life.end('aborted'));
    // A signal changes nothing from here on, so that ABORTED means that nothing was written.
    const concluded = life.conclude();
    endTurn();
    await concluded;
    return result;
  } catch (error) {
    endTurn();
    life.end(isStorageError(error) && error.code === 'CONFLICT' ? 'conflict' : 'rolled back');
    // The function's own commit, if it did not wait for it.
    await life.settled();
    throw error;
  }
}

/** How often a transaction may be begun again after `error`. */
function allowed(error: StorageError | StorageTypeError, retries: number, { attempts }: RetryPolicy): number {
  // A condition of the caller's that did not hold would not hold again.
  if (!error.retryable || isFailedCondition(error)) return 0;
  // Others commit or let go soon; a server or a locked store may be away for long, and the caller's patience with it is known.
  const opening = error.operation === 'connect';
  if (error.code === 'CONFLICT' || (error.code === 'LOCKED' && !opening)) return retries;
  // The opening of a server's engine was tried as often as may be.
  return opening && error.code !== 'LOCKED' ? 0 : Math.min(retries, attempts - 1);
}

/** Whoever caused the first conflict is through already: waiting helps only where many contend. */
function delayAfter(error: StorageError | StorageTypeError, failures: number, policy: RetryPolicy): number {
  if (error.code !== 'CONFLICT') return retryDelay(policy, failures);
  return failures === 1 ? 0 : retryDelay(policy, failures - 1);
}
