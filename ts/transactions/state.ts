import { done, refused } from '../answers.js';
import type { InternalEngine } from '../engines/internal-engine.js';
import type { ErrorCode } from '../errors/codes.js';
import { StorageError, isStorageError } from '../errors/storage-error.js';
import { connection } from '../internal.js';
import { wallClock } from '../timers.js';
import type { NativeTransactionLog } from '../native/interface.js';
import type { TransactionSlot } from '../native/transaction-slot.js';
import type { BranchLease } from './branch-lease.js';
import { TransactionBranch } from './branch.js';
import type { BranchOwner } from './branch.js';
import type { TransactionStatus } from './options.js';

/** An engine and the name under which the manager knows it. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: InternalEngine;
}

/** How a transaction ended. */
export type Ending = 'committed' | 'rolled back' | 'conflict' | 'failed' | 'unknown' | 'timeout' | 'closed' | 'aborted';

const REFUSALS: Partial<Record<Ending, [ErrorCode, string]>> = {
  timeout: ['TRANSACTION_TIMEOUT', 'The transaction was idle for too long and has been rolled back'],
  closed: ['CLOSED', 'The engine was closed or disconnected meanwhile, and the transaction rolled back'],
  aborted: ['ABORTED', 'The transaction was aborted'],
};
const COMPLETED = ['TRANSACTION_COMPLETED', 'Transaction already completed'] as const;

/** The part of its manager that the state of a transaction needs. */
export interface TransactionOwner {
  /** A share of the log that transactions over several engines need. */
  log(): NativeTransactionLog;
  /** The transaction is over. */
  ended(state: TransactionState, ending: Ending): void;
}

/** The state machine of one transaction: open, committing, over. */
export class TransactionState implements BranchOwner {
  status: TransactionStatus = 'pending';
  /** Counts the calls: only that tells an idle transaction from a busy one. */
  calls = 0;
  /** Made when it is asked for. */
  id: string | undefined;
  readonly begunAt = wallClock();
  readonly #owner: TransactionOwner;
  readonly #engines: InternalEngine[] = [];
  /** The branch of each of the engines. */
  readonly #branches: TransactionBranch[] = [];
  /** The slot in which the transaction began. */
  #slot: TransactionSlot | undefined;
  #ending: Ending | undefined;
  #commit: Promise<void> | undefined;
  #seenCalls = -1;
  #checkedAt = 0;
  #idle = 0;

  constructor(
    readonly timeout: number,
    readonly readOnly: boolean,
    owner: TransactionOwner,
  ) {
    this.#owner = owner;
  }

  /** Whether no more calls are taken. */
  get isShut(): boolean {
    return this.#commit !== undefined || this.isOver;
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  /** Makes the calls of a slot calls of this transaction. */
  enter(slot: TransactionSlot, engine: string): void {
    const log = this.#owner.log();
    if (slot.name !== engine || slot.log !== log) {
      slot.store.serve(engine, log);
      slot.name = engine;
      slot.log = log;
    }
    if (this.#slot === undefined) {
      slot.hot.begin(this.readOnly);
      this.#slot = slot;
    } else slot.store.join(this.#slot.store);
  }

  /** The branch of an engine; the same each time. */
  branch({ name, engine }: NamedEngine): TransactionBranch {
    const known = this.#engines.indexOf(engine);
    if (known >= 0) return this.#branches[known];
    const branch = new TransactionBranch(this, name, engine[connection], engine.capabilities.snapshots);
    this.#engines.push(engine);
    this.#branches.push(branch);
    return branch;
  }

  /** The error of a call that is not taken any more. */
  refuse(operation: string, engine?: string): StorageError | undefined {
    if (!this.isShut) return undefined;
    const [code, message] = (this.#ending === undefined ? undefined : REFUSALS[this.#ending]) ?? COMPLETED;
    return new StorageError(code, message, { engine, operation });
  }

  /** The connections of its engines. */
  get stores(): object[] {
    return this.#branches.map(({ within }) => within.store);
  }

  commit(): Promise<void> {
    const refusal = this.refuse('commit');
    if (refusal !== undefined) return refused(refusal);
    let openings: Promise<void>[] | undefined;
    for (const branch of this.#branches) {
      branch.shut();
      if (branch.opening !== undefined) (openings ??= []).push(branch.opening);
    }
    this.#commit = openings === undefined ? this.#send() : this.#sendAfter(openings);
    return this.#commit;
  }

  /** Commits, unless the transaction was rolled back on purpose. Rejects with whatever else went wrong with it. */
  conclude(): Promise<void> {
    if (this.#commit !== undefined) return this.#commit;
    return this.#ending === 'rolled back' ? done() : this.commit();
  }

  rollback(): Promise<void> {
    const refusal = this.refuse('rollback');
    if (refusal !== undefined) return refused(refusal);
    this.end('rolled back');
    return done();
  }

  /** Rolls back, unless the transaction is over or its commit is under way. */
  end(ending: Ending): void {
    if (this.isShut) return;
    this.#slot?.hot.rollback();
    this.#over('rolled_back', ending);
  }

  /** One of its engines disconnects. */
  engineEnded(): void {
    this.end('closed');
  }

  /** Waits for the commit that is under way, if there is one. It does not tell how that ended. */
  async settled(): Promise<void> {
    await this.#commit?.catch(() => {});
  }

  /**
   * Ends the transaction if it was idle for too long. Returns after how many milliseconds it has to be checked again.
   */
  checkIdle(now: number): number {
    // Four checks in a timeout tell within a quarter of it when the last call was. The time of a process that stood
    // still does not count, as it had no chance to make calls.
    const most = this.timeout / 4;
    if (this.calls !== this.#seenCalls || this.#isBusy()) {
      this.#seenCalls = this.calls;
      this.#idle = 0;
    } else {
      this.#idle += Math.min(now - this.#checkedAt, most);
    }
    this.#checkedAt = now;
    const left = this.timeout - this.#idle;
    if (left <= 0) this.end('timeout');
    return Math.min(left, most);
  }

  #isBusy(): boolean {
    for (const branch of this.#branches) if (branch.held?.busy === true || branch.opening !== undefined) return true;
    return false;
  }

  async #sendAfter(openings: Promise<void>[]): Promise<void> {
    try {
      await Promise.all(openings);
    } catch (error) {
      this.#slot?.hot.rollback();
      throw this.#failed(error);
    }
    // The calls that waited for an engine have been sent to it by now.
    await this.#send();
  }

  #send(): Promise<void> {
    const leases: BranchLease[] = [];
    for (const { held } of this.#branches) if (held !== undefined) leases.push(held);
    // Without a lease no call was made.
    if (leases.length === 0) return this.#committed();
    // The transaction began in the slot of one of them, which need not be the first.
    const first = leases.find(({ slot }) => slot === this.#slot)!;
    if (leases.length === 1) {
      try {
        if (first.tryCommit()) return this.#committed();
      } catch (error) {
        return refused(this.#failed(first.explain(error, 'commit', undefined)));
      }
    }
    return this.#queue(first, leases);
  }

  async #queue(first: BranchLease, leases: BranchLease[]): Promise<void> {
    // No engine of the transaction is disconnected before the commit is through.
    for (const lease of leases) lease.hold();
    try {
      for (const lease of leases) if (lease.hasUnsent()) await this.#sent(lease);
      await first.commit();
      void this.#committed();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      for (const lease of leases) lease.settled();
    }
  }

  async #sent(lease: BranchLease): Promise<void> {
    try {
      await lease.sent();
    } catch (error) {
      this.#slot?.hot.rollback();
      throw error;
    }
  }

  #committed(): Promise<void> {
    this.#over('committed', 'committed');
    return done();
  }

  #failed(error: unknown): Error {
    const code = isStorageError(error) ? error.code : undefined;
    if (code === 'UNKNOWN_OUTCOME') this.#over('pending', 'unknown');
    else this.#over('rolled_back', code === 'CONFLICT' ? 'conflict' : 'failed');
    return error as Error;
  }

  #over(status: TransactionStatus, ending: Ending): void {
    this.status = status;
    this.#ending = ending;
    for (const branch of this.#branches) branch.end();
    this.#slot = undefined;
    this.#owner.ended(this, ending);
  }
}
