import { boolean, integer, milliseconds, nonEmptyString, signal, text } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import type { Shape } from '../arguments/options.js';
import type { AbortOptions } from '../types.js';

/** Where a transaction stands. After a commit that failed with UNKNOWN_OUTCOME it stays `'pending'`: nobody knows. */
export type TransactionStatus = 'pending' | 'committed' | 'rolled_back';

/** The section `transactions` of the manager's configuration. */
export interface TransactionsConfig {
  /**
   * The folder of the log that transactions over several engines need; made by the first of them. A process locks one
   * file in it. Default: `'./.holdfast/tx'`.
   */
  path?: string | undefined;
  /** Milliseconds a transaction may be idle before it is rolled back; 0: for ever. Default: 30,000. */
  timeout?: number | undefined;
}

/** Options of `beginTransaction`. */
export interface TransactionOptions {
  /** The engine its own methods work on. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
  /**
   * Milliseconds it may be idle, with no call made or under way, before it is rolled back and its calls reject with
   * TRANSACTION_TIMEOUT; it may take a quarter longer. 0: for ever. Default: `transactions.timeout`, 30,000.
   */
  timeout?: number | undefined;
  /** Refuse writes with READ_ONLY; what is read need not be remembered then. Default: false. */
  readOnly?: boolean | undefined;
}

/** Options of `storage.transaction`. */
export interface RunTransactionOptions extends TransactionOptions, AbortOptions {
  /** How often the function may be run again after a CONFLICT or LOCKED. Default: 10. */
  retries?: number | undefined;
  /** Gives up: the transaction is rolled back and the call rejects with ABORTED. A commit that has begun is waited for. */
  signal?: AbortSignal | undefined;
}

/** Figures of a manager's transactions since it was made. */
export interface TransactionStats {
  /** Open now. */
  active: number;
  /** Committed. */
  committed: number;
  /** Rolled back for whatever reason, failed commits included. */
  rolledBack: number;
  /** Ended by UNKNOWN_OUTCOME: committed or not. */
  unknown: number;
  /** Of those rolled back, refused because what they had read was changed meanwhile. */
  conflicts: number;
  /** Of those rolled back, idle for too long. */
  timeouts: number;
  /** Times that `storage.transaction` ran its function again. */
  retries: number;
  /** Transactions of a crashed process that were finished or undone as an engine was opened, counted by engine. */
  recovered: number;
  /** The log of transactions over several engines, of all managers of this process that share it. */
  log: {
    /** Committed with it. */
    commits: number;
    /** Begun with it and not committed. */
    rollbacks: number;
    /** Writes to it; each carries the records of all who waited for it. */
    writes: number;
    /** Syncs of it. */
    fsyncs: number;
    /** Log files made. */
    logs: number;
  };
}

/** What a crash had left of transactions over several engines in one of them, and was seen to as it was opened. */
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
/** Enough for a hundred that all want one key; with the default delays the last gives up after about ten seconds. */
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
