import { inspect } from 'node:util';
import { answered, refused } from '../answers.js';
import { refuseExtraArguments } from '../arguments/arity.js';
import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { supervision } from '../internal.js';
import { nativeSession } from '../native/environment.js';
import type { NativeTransactionLog } from '../native/interface.js';
import { LatestAnchor } from '../native/v8-anchors.js';
import { clearTimeout, elapsed, setImmediate, setTimeout } from '../timers.js';
import type { Durability } from '../types.js';
import { checkBegin } from './options.js';
import type { TransactionOptions, TransactionStats } from './options.js';
import { TransactionState } from './state.js';
import type { Ending, NamedEngine, TransactionOwner } from './state.js';
import { Transaction } from './transaction.js';
import type { TransactionRegistry } from './transaction.js';

/** The part of the storage manager that transactions need. */
export interface TransactionHost {
  /** The idle timeout of transactions that do not give one. */
  readonly timeout: number;
  /** The folder of the transaction log, and its durability. */
  readonly logFolder: string;
  readonly durability: Durability;
  resolve(engine?: string): NamedEngine;
}

/** Calls on its transactions that only the storage manager may make. */
export interface Supervision {
  /** Begins a transaction at once. The options are checked already. */
  begin(options: TransactionOptions | undefined): Transaction;
  stats(): TransactionStats;
  /** Counts transactions that were recovered after a crash. */
  recovered(count: number): void;
  /** Waits before a transaction is begun again, at most until the close. */
  pause(delay: number): Promise<void>;
  /** Rolls back the open transactions, and waits for commits that are under way. */
  close(): Promise<void>;
}

/**
 * The open transactions of a {@link StorageManager}: `storage.transactions`.
 *
 * @example
 * const { id } = await storage.beginTransaction();
 * await storage.transactions.rollback(id);
 */
export class TransactionManager {
  readonly #host: TransactionHost;
  readonly #owner: TransactionOwner & TransactionRegistry;
  /** The transactions that are not over, also those whose commit is under way. */
  readonly #open = new Map<TransactionState, Transaction>();
  /** Those of them whose id was asked for. */
  readonly #byId = new Map<string, TransactionState>();
  /** Ends the pauses before transactions that are begun again. */
  readonly #pauses = new Set<() => void>();
  readonly #supervision: Supervision;
  readonly #stats = {
    active: 0,
    committed: 0,
    rolledBack: 0,
    unknown: 0,
    conflicts: 0,
    timeouts: 0,
    retries: 0,
    recovered: 0,
  };
  /** Keeps the transaction that ended last. */
  readonly #anchor = new LatestAnchor<Transaction>();
  #log: NativeTransactionLog | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;

  static {
    refuseExtraArguments(this, {
      promises: { begin: 'options', commit: 'id', rollback: 'id' },
      values: { list: '' },
    });
  }

  /** @internal */
  constructor(host: TransactionHost) {
    this.#host = host;
    this.#owner = {
      log: () => (this.#log ??= nativeSession().transactionLog(host.logFolder, host.durability)),
      ended: (state, ending) => this.#ended(state, ending),
      register: (state) => this.#register(state),
      resolve: (name) => host.resolve(name),
    };
    this.#supervision = {
      begin: (options) => this.#begin(options),
      stats: () => ({
        ...this.#stats,
        log: this.#log === undefined ? { ...NO_LOG } : (JSON.parse(this.#log.stats()) as TransactionStats['log']),
      }),
      recovered: (count) => (this.#stats.recovered += count),
      pause: (delay) => this.#pause(delay),
      close: () => this.#close(),
    };
  }

  /** The same as `storage.beginTransaction(options)`. */
  begin(options?: TransactionOptions): Promise<Transaction> {
    try {
      checkBegin(options);
      return answered(this.#begin(options));
    } catch (error) {
      return refused(error);
    }
  }

  /** Commits a transaction by its id. @throws TRANSACTION_NOT_FOUND, and whatever its `commit()` rejects with. */
  commit(id: string): Promise<void> {
    try {
      return this.#find(id, 'commit').commit();
    } catch (error) {
      return refused(error);
    }
  }

  /** Rolls a transaction back by its id. @throws TRANSACTION_NOT_FOUND. */
  rollback(id: string): Promise<void> {
    try {
      return this.#find(id, 'rollback').rollback();
    } catch (error) {
      return refused(error);
    }
  }

  /** The transactions that are open, in the order in which they were begun. */
  list(): Transaction[] {
    return [...this.#open].filter(([state]) => !state.isShut).map(([, transaction]) => transaction);
  }

  /** Shows how many are open. */
  [inspect.custom](): string {
    return `TransactionManager { open: ${this.#open.size} }`;
  }

  /** @internal */
  get [supervision](): Supervision {
    return this.#supervision;
  }

  #begin(options: TransactionOptions | undefined): Transaction {
    if (this.#closed)
      throw new StorageError('CLOSED', 'The storage manager is closed', { operation: 'beginTransaction' });
    const engine = this.#host.resolve(options?.engine);
    const state = new TransactionState(options?.timeout ?? this.#host.timeout, options?.readOnly === true, this.#owner);
    const transaction = new Transaction(state, engine, this.#owner);
    this.#open.set(state, transaction);
    this.#stats.active++;
    if (state.timeout > 0) this.#checkFromNow(state);
    return transaction;
  }

  #register(state: TransactionState): string {
    const id = `tx_${state.begunAt}_${randomLetters()}`;
    if (!state.isOver) this.#byId.set(id, state);
    return id;
  }

  #ended(state: TransactionState, ending: Ending): void {
    this.#anchor.keep(this.#open.get(state));
    this.#open.delete(state);
    if (state.id !== undefined) this.#byId.delete(state.id);
    this.#stats.active--;
    count(this.#stats, ending);
  }

  #find(id: string, operation: string): TransactionState {
    if (typeof id !== 'string')
      throw new StorageTypeError(`Expected the id of a transaction to be a string, got ${describeKind(id)}`, {
        operation,
      });
    const state = this.#byId.get(id);
    if (state === undefined)
      throw new StorageError('TRANSACTION_NOT_FOUND', `Transaction not found: ${id}`, { operation });
    return state;
  }

  // One timer checks all transactions for idle ones. It does not keep the process alive.
  #checkFromNow(state: TransactionState): void {
    const now = elapsed();
    this.#checkAt(now + state.checkIdle(now), now);
  }

  #checkAt(at: number, now: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    // No timer of Node waits longer than this. An early check sets the timer again.
    this.#timer = setTimeout(() => this.#checkAll(), Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(at - now))));
    this.#timer.unref();
  }

  #checkAll(): void {
    this.#timerAt = Infinity;
    const now = elapsed();
    let next = Infinity;
    for (const state of this.#open.keys()) {
      if (state.timeout === 0) continue;
      const wait = state.checkIdle(now);
      if (!state.isOver) next = Math.min(next, now + wait);
    }
    if (next < Infinity) this.#checkAt(next, now);
  }

  #pause(delay: number): Promise<void> {
    this.#stats.retries++;
    return new Promise((resolve) => {
      if (delay === 0) {
        // A timer would take at least a millisecond.
        setImmediate(resolve);
        return;
      }
      const end = (): void => {
        this.#pauses.delete(end);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, delay);
      this.#pauses.add(end);
    });
  }

  async #close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const end of this.#pauses) end();
    const open = [...this.#open.keys()];
    for (const state of open) state.end('closed');
    await Promise.all(open.map((state) => state.settled()));
    this.#anchor.release();
    this.#log?.close();
  }
}

const NO_LOG: TransactionStats['log'] = { commits: 0, rollbacks: 0, writes: 0, fsyncs: 0, logs: 0 };

function count(stats: Omit<TransactionStats, 'log'>, ending: Ending): void {
  if (ending === 'committed' || ending === 'unknown') {
    stats[ending]++;
    return;
  }
  stats.rolledBack++;
  if (ending === 'conflict') stats.conflicts++;
  else if (ending === 'timeout') stats.timeouts++;
}

// Read once: under a mock that test frameworks put in its place, all transactions would have one id.
const { random } = Math;

function randomLetters(): string {
  return random().toString(36).slice(2, 11).padEnd(9, '0');
}
