import { boolean, integer, milliseconds, nonEmptyString, signal, text } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import type { Shape } from '../arguments/options.js';
import type { AbortOptions } from '../types.js';

/** The status of a transaction. After a commit that failed with UNKNOWN_OUTCOME it stays `'pending'`: nobody knows. */
export type TransactionStatus = 'pending' | 'committed' | 'rolled_back';

/** The section `transactions` of the manager's configuration. */
export interface TransactionsConfig {
  /**
   * The folder of the log that transactions over several engines need. The first of them makes it. A process locks one
   * file in it. Default: `'./.holdfast/tx'`.
   */
  path?: string | undefined;
  /** The most milliseconds that a transaction may be idle before it is rolled back; 0: for ever. Default: 30,000. */
  timeout?: number | undefined;
}

/** Options of `beginTransaction`. */
export interface TransactionOptions {
  /** The engine of the transaction's own methods. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
  /**
   * The most milliseconds that it may be idle, with no call made or under way. After them, or up to a quarter later, it
   * is rolled back and its calls reject with TRANSACTION_TIMEOUT. 0: for ever. Default: `transactions.timeout`, 30,000.
   */
  timeout?: number | undefined;
  /** Refuse writes with READ_ONLY. The transaction then need not remember what it reads. Default: false. */
  readOnly?: boolean | undefined;
}

/** Options of `storage.transaction`. */
export interface RunTransactionOptions extends TransactionOptions, AbortOptions {
  /** How many times the function may be run again after a CONFLICT or LOCKED. Default: 10. */
  retries?: number | undefined;
  /**
   * Aborts: the transaction is rolled back and the call rejects with ABORTED. A commit that has begun is not aborted.
   */
  signal?: AbortSignal | undefined;
}

/** The counts of a manager's transactions since it was made. */
export interface TransactionStats {
  /** Open now. */
  active: number;
  /** Committed. */
  committed: number;
  /** Rolled back for whatever reason, failed commits included. */
  rolledBack: number;
  /** Ended by UNKNOWN_OUTCOME: committed or not. */
  unknown: number;
  /** Of those rolled back: refused because what they had read was changed meanwhile. */
  conflicts: number;
  /** Of those rolled back: idle for too long. */
  timeouts: number;
  /** How many times `storage.transaction` ran its function again. */
  retries: number;
  /**
   * Transactions of a crashed process that were finished or undone as an engine was opened, counted once per engine.
   */
  recovered: number;
  /** The log of transactions over several engines, of all managers of this process that share it. */
  log: {
    /** Committed with it. */
    commits: number;
    /** Begun with it and not committed. */
    rollbacks: number;
    /** Writes to it. Each carries the records of all transactions that waited for it. */
    writes: number;
    /** Syncs of it. */
    fsyncs: number;
    /** Log files made. */
    logs: number;
  };
}

/**
 * The transactions over several engines that a crash had left in an engine, and that were finished as it was opened.
 */
export interface RecoveredTransactions {
  /** Carried out: they had been decided. */
  applied: number;
  /** Dropped: they had not. */
  dropped: number;
  /** Taken back, in an engine without atomic batches. */
  undone: number;
}

export const DEFAULT_PATH = './.holdfast/tx';
export const DEFAULT_TIMEOUT = 30_000;
/** Enough for a hundred that all need one key. With the default delays the last gives up after about ten seconds. */
export const DEFAULT_RETRIES = 10;

export const CONFIG_SHAPE: Shape = { path: text, timeout: milliseconds };
const BEGIN_SHAPE: Shape = { engine: nonEmptyString, timeout: milliseconds, readOnly: boolean };
const RUN_SHAPE: Shape = { ...BEGIN_SHAPE, retries: integer(0, 1_000), signal };

export function checkBegin(options: TransactionOptions | undefined): void {
  checkOptions('beginTransaction', options, BEGIN_SHAPE);
}

export function checkRun(options: RunTransactionOptions | undefined): void {
  checkOptions('transaction', options, RUN_SHAPE);
}
