import { abortError, abortable } from '../abort.js';
import { pause } from '../answers.js';
import { describeKind } from '../codec/kinds.js';
import { isFailedCondition } from '../engines/data/conditions.js';
import { retrace } from '../errors/stack.js';
import { StorageError, StorageTypeError, isStorageError } from '../errors/storage-error.js';
import { state } from '../internal.js';
import { retryDelay } from '../retry.js';
import type { RetryPolicy } from '../retry.js';
import { DEFAULT_RETRIES, checkRun } from './options.js';
import type { RunTransactionOptions } from './options.js';
import { OwnWrites, followWrites } from './own-writes.js';
import type { Scheduler } from './scheduler.js';
import type { TransactionState } from './state.js';
import type { Transaction } from './transaction.js';

/** A function to be run in a transaction. */
export type TransactionFunction<T> = (transaction: Transaction) => Promise<T> | T;

/** The part of the manager that running functions in transactions needs. */
export interface Runner {
  readonly retry: RetryPolicy;
  readonly scheduler: Scheduler;
  /** Begins a transaction at once. The options are checked already. */
  begin(options: RunTransactionOptions | undefined): Transaction;
  /** Tells of the next attempt, and waits until it is due. */
  pause(
    engine: string | undefined,
    attempt: number,
    delay: number,
    error: StorageError | StorageTypeError,
  ): Promise<void>;
}

/** Runs `fn` in a transaction and commits it. Runs it again, in a new one, after an error that may pass. */
export async function runTransaction<T>(
  runner: Runner,
  fn: TransactionFunction<T>,
  options: RunTransactionOptions | undefined,
): Promise<T> {
  if (options !== undefined) checkRun(options);
  if (typeof fn !== 'function')
    throw new StorageTypeError(`Expected transaction to be given a function, got ${describeKind(fn)}`);
  const signal = options?.signal;
  const suspicion = new Suspicion();
  const eventLoop = pause();
  if (eventLoop !== undefined) await eventLoop;
  for (let failures = 1; ; failures++) {
    const turn = runner.scheduler.take();
    const endTurn = typeof turn === 'function' ? turn : await turnOf(turn, options);
    let transaction: Transaction | undefined;
    try {
      if (signal?.aborted === true) throw abortError(signal, options?.engine, 'transaction');
      transaction = runner.begin(options);
      const current = transaction[state];
      const run = suspicion.following(fn, current, failures);
      const result = await (signal === undefined ? run(transaction) : untilAborted(transaction, run, options!));
      // A signal changes nothing from here on, so ABORTED means that nothing was written.
      const concluded = current.conclude();
      endTurn();
      if (current.status !== 'committed') await concluded;
      return result;
    } catch (error) {
      endTurn();
      if (transaction === undefined) throw error;
      const current = transaction[state];
      current.end(isStorageError(error) && error.code === 'CONFLICT' ? 'conflict' : 'rolled back');
      // The function may have committed by itself without waiting for it.
      await current.settled();
      if (!isStorageError(error)) throw error;
      if (suspicion.isOwnConflict(error, current)) throw ownConflict(error);
      if (failures > allowed(error, options?.retries ?? DEFAULT_RETRIES, runner.retry))
        throw withAttempts(error, failures);
      // What was committed, or may have been, is not run again.
      if (transaction.status !== 'rolled_back') throw error;
      const engine = options?.engine;
      const delay = delayAfter(error, failures, runner.retry);
      await abortable(
        signal,
        engine,
        'transaction',
        () => runner.pause(engine, failures + 1, delay, error),
        () => {},
      );
    }
  }
}

/** Finds out whether the conflicts of a function in a transaction are its own doing. */
class Suspicion {
  #own: OwnWrites | undefined;
  #rangeConflicts = 0;

  /** `fn`, followed if it conflicted before. */
  following<T>(fn: TransactionFunction<T>, transaction: TransactionState, attempt: number): TransactionFunction<T> {
    this.#own = attempt === 2 || this.#rangeConflicts > 0 ? new OwnWrites(transaction) : undefined;
    const own = this.#own;
    return own === undefined ? fn : (given) => followWrites(own, () => fn(given));
  }

  /** Whether the function wrote the key itself. Where a range has changed, it has to have written twice. */
  isOwnConflict(error: StorageError | StorageTypeError, transaction: TransactionState): boolean {
    if (error.code !== 'CONFLICT' || this.#own?.has(transaction.stores, error.key) !== true) {
      this.#rangeConflicts = 0;
      return false;
    }
    return error.key !== undefined || ++this.#rangeConflicts > 1;
  }
}

/** The error of a function that changes what its transaction has read. */
function ownConflict(cause: StorageError | StorageTypeError): StorageError {
  const { engine, key, operation } = cause;
  const message =
    'The function changes what its transaction has read, but not through the transaction, so this conflict comes back ' +
    'every time; use the methods of its transaction (tx.set), and no engine and no other transaction, inside of it';
  return new StorageError('CONFLICT', message, { engine, key, operation, cause });
}

const counted = new WeakSet<object>();

/** Says how often a function was run that conflicted to the end. */
function withAttempts<E extends StorageError | StorageTypeError>(error: E, attempts: number): E {
  // The error may come from another transaction inside of this one, which has said so already.
  if (error.code !== 'CONFLICT' || isFailedCondition(error) || counted.has(error)) return error;
  counted.add(error);
  error.message += attempts === 1 ? '; it was tried once' : `; it was tried ${attempts} times`;
  return retrace(error, withAttempts);
}

function untilAborted<T>(
  transaction: Transaction,
  fn: TransactionFunction<T>,
  { engine, signal }: RunTransactionOptions,
): Promise<T> {
  return abortable(
    signal,
    engine,
    'transaction',
    async () => fn(transaction),
    () => transaction[state].end('aborted'),
  );
}

/** Waits for a turn. An aborted caller passes its turn on. */
function turnOf(turn: Promise<() => void>, options: RunTransactionOptions | undefined): Promise<() => void> {
  if (options?.signal === undefined) return turn;
  return abortable(
    options.signal,
    options.engine,
    'transaction',
    () => turn,
    () => {},
  ).catch((error: unknown) => {
    void turn.then((end) => end());
    throw error;
  });
}

/** How many times a transaction may be begun again after `error`. */
function allowed(error: StorageError | StorageTypeError, retries: number, { attempts }: RetryPolicy): number {
  // A condition of the caller that did not hold would not hold again.
  if (!error.retryable || isFailedCondition(error)) return 0;
  // Other transactions soon commit or release a lock. A server or a locked store may be away for long, and the retry
  // policy says how long the caller waits for it.
  const opening = error.operation === 'connect';
  if (error.code === 'CONFLICT' || (error.code === 'LOCKED' && !opening)) return retries;
  // The connection has tried the opening of a server's engine as often as the policy allows.
  return opening && error.code !== 'LOCKED' ? 0 : Math.min(retries, attempts - 1);
}

/** The transaction that caused a first conflict has committed already, so waiting helps only where many contend. */
function delayAfter(error: StorageError | StorageTypeError, failures: number, policy: RetryPolicy): number {
  if (error.code !== 'CONFLICT') return retryDelay(policy, failures);
  return failures === 1 ? 0 : retryDelay(policy, failures - 1);
}
