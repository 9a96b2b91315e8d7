import { inspect } from 'node:util';
import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { supervision } from '../internal.js';
import { nativeSession } from '../native/environment.js';
import type { NativeTransactionLog } from '../native/interface.js';
import { LatestAnchor } from '../native/v8-anchors.js';
import type { Durability } from '../types.js';
import { checkBegin } from './options.js';
import type { TransactionOptions, TransactionStats } from './options.js';
import { Life } from './state.js';
import type { Ending, Keeper, NamedEngine } from './state.js';
import { Transaction } from './transaction.js';
import type { TransactionNaming } from './transaction.js';

/** What the storage manager gives its transactions. */
export interface TransactionHost {
  /** The idle time of transactions that do not say. */
  readonly timeout: number;
  /** The folder of the log, and how sure what it says is. */
  readonly logFolder: string;
  readonly durability: Durability;
  resolve(engine?: string): NamedEngine;
}

/** What only the storage manager does with its transactions. */
export interface Supervision {
  /** Begins one at once; its options are checked already. */
  begin(options: TransactionOptions | undefined): Transaction;
  stats(): TransactionStats;
  /** Notes what was found of a crash. */
  recovered(count: number): void;
  /** Waits, in a transaction that is begun again; not beyond the close. */
  pause(delay: number): Promise<void>;
  /** Rolls back what is open, and waits for the commits under way. */
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
  readonly #keeper: Keeper & TransactionNaming;
  /** Those whose commit is under way, too. */
  readonly #open = new Map<Life, Transaction>();
  /** Those of them whose id somebody knows. */
  readonly #named = new Map<string, Life>();
  /** Those who wait before they begin again. */
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

  /** @internal */
  constructor(host: TransactionHost) {
    this.#host = host;
    this.#keeper = {
      log: () => (this.#log ??= nativeSession().transactionLog(host.logFolder, host.durability)),
      ended: (life, ending) => this.#ended(life, ending),
      name: (life) => this.#name(life),
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
  async begin(options?: TransactionOptions): Promise<Transaction> {
    checkBegin(options);
    return this.#begin(options);
  }

  /** Commits a transaction by its id. @throws TRANSACTION_NOT_FOUND, and whatever its `commit()` rejects with. */
  async commit(id: string): Promise<void> {
    await this.#find(id, 'commit').commit();
  }

  /** Rolls a transaction back by its id. @throws TRANSACTION_NOT_FOUND. */
  async rollback(id: string): Promise<void> {
    await this.#find(id, 'rollback').rollback();
  }

  /** The transactions that are open, in the order they were begun. */
  list(): Transaction[] {
    return [...this.#open].filter(([life]) => !life.isShut).map(([, transaction]) => transaction);
  }

  /** @internal */
  get [supervision](): Supervision {
    return this.#supervision;
  }

  /** Shows how many are open. */
  [inspect.custom](): string {
    return `TransactionManager { open: ${this.#open.size} }`;
  }

  #begin(options: TransactionOptions | undefined): Transaction {
    if (this.#closed)
      throw new StorageError('CLOSED', 'The storage manager is closed', { operation: 'beginTransaction' });
    const engine = this.#host.resolve(options?.engine);
    const life = new Life(options?.timeout ?? this.#host.timeout, options?.readOnly === true, this.#keeper);
    const transaction = new Transaction(life, engine, this.#keeper);
    this.#open.set(life, transaction);
    this.#stats.active++;
    if (life.timeout > 0) this.#watchFrom(life);
    return transaction;
  }

  #name(life: Life): string {
    const id = `tx_${life.begunAt}_${randomLetters()}`;
    if (!life.isOver) this.#named.set(id, life);
    return id;
  }

  #ended(life: Life, ending: Ending): void {
    this.#anchor.keep(this.#open.get(life));
    this.#open.delete(life);
    if (life.id !== undefined) this.#named.delete(life.id);
    this.#stats.active--;
    count(this.#stats, ending);
  }

  #find(id: string, operation: string): Life {
    if (typeof id !== 'string')
      throw new StorageTypeError(`Expected the id of a transaction to be a string, got ${describeKind(id)}`, {
        operation,
      });
    const life = this.#named.get(id);
    if (life === undefined)
      throw new StorageError('TRANSACTION_NOT_FOUND', `Transaction not found: ${id}`, { operation });
    return life;
  }

  // One timer for all, which keeps nothing alive.
  #watchFrom(life: Life): void {
    const now = performance.now();
    this.#wakeAt(now + life.watch(now), now);
  }

  #wakeAt(at: number, now: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    // No timer waits longer than this: it looks, and is set again.
    this.#timer = setTimeout(() => this.#look(), Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(at - now))));
    this.#timer.unref();
  }

  #look(): void {
    this.#timerAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const life of this.#open.keys()) {
      if (life.timeout === 0) continue;
      const wait = life.watch(now);
      if (!life.isOver) next = Math.min(next, now + wait);
    }
    if (next < Infinity) this.#wakeAt(next, now);
  }

  #pause(delay: number): Promise<void> {
    this.#stats.retries++;
    return new Promise((resolve) => {
      if (delay === 0) {
        // A timer takes a millisecond at least.
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
    const lives = [...this.#open.keys()];
    for (const life of lives) life.end('closed');
    await Promise.all(lives.map((life) => life.settled()));
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

function randomLetters(): string {
  return Math.random().toString(36).slice(2, 11).padEnd(9, '0');
}
