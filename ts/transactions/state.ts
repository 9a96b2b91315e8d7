import type { InternalEngine } from '../engines/internal-engine.js';
import type { ErrorCode } from '../errors/codes.js';
import { StorageError, isStorageError } from '../errors/storage-error.js';
import { connection } from '../internal.js';
import type { NativeTransactionLog } from '../native/interface.js';
import { DONE } from '../native/lease.js';
import type { Dependent, Place } from '../native/lease.js';
import type { PartLease } from './branch-lease.js';
import { Part } from './branch.js';
import type { TransactionStatus } from './options.js';

/** An engine and the name the manager knows it by. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: InternalEngine;
}

/** How a transaction came to its end. */
export type Ending = 'committed' | 'rolled back' | 'conflict' | 'failed' | 'unknown' | 'timeout' | 'closed' | 'aborted';

const REFUSALS: Partial<Record<Ending, [ErrorCode, string]>> = {
  timeout: ['TRANSACTION_TIMEOUT', 'The transaction was idle for too long and has been rolled back'],
  closed: ['CLOSED', 'The engine was closed or disconnected meanwhile, and the transaction rolled back'],
  aborted: ['ABORTED', 'The transaction was aborted'],
};
const COMPLETED = ['TRANSACTION_COMPLETED', 'Transaction already completed'] as const;

/** Whoever began a transaction. */
export interface Keeper {
  /** The share of the log that transactions over several engines need. */
  log(): NativeTransactionLog;
  /** The transaction is over. */
  ended(life: Life, ending: Ending): void;
}

/** The course of one transaction over its engines. */
export class Life implements Dependent {
  status: TransactionStatus = 'pending';
  /** Counts calls, which is all that tells an idle transaction from a busy one. */
  uses = 0;
  /** Made when it is asked for. */
  id: string | undefined;
  readonly begunAt = Date.now();
  readonly #keeper: Keeper;
  readonly #engines: InternalEngine[] = [];
  /** Of each of the engines. */
  readonly #parts: Part[] = [];
  /** Where the transaction began. */
  #place: Place | undefined;
  #ending: Ending | undefined;
  #commit: Promise<void> | undefined;
  #seenUses = -1;
  #lookedAt = 0;
  #idle = 0;

  constructor(
    readonly timeout: number,
    readonly readOnly: boolean,
    keeper: Keeper,
  ) {
    this.#keeper = keeper;
  }

  /** Whether no more calls are taken. */
  get isShut(): boolean {
    return this.#commit !== undefined || this.isOver;
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  /** Makes the calls of a place those of this transaction. */
  enter(place: Place, name: string): void {
    const log = this.#keeper.log();
    if (place.name !== name || place.log !== log) {
      place.store.serve(name, log);
      place.name = name;
      place.log = log;
    }
    if (this.#place === undefined) {
      place.hot.begin(this.readOnly);
      this.#place = place;
    } else place.store.join(this.#place.store);
  }

  /** The engine as the transaction sees it; the same each time. */
  part({ name, engine }: NamedEngine): Part {
    const known = this.#engines.indexOf(engine);
    if (known >= 0) return this.#parts[known];
    const part = new Part(this, name, engine[connection], engine.capabilities.snapshots);
    this.#engines.push(engine);
    this.#parts.push(part);
    return part;
  }

  /** The error of a call that is not taken any more. */
  refuse(operation: string, engine?: string): StorageError | undefined {
    if (!this.isShut) return undefined;
    const [code, message] = (this.#ending === undefined ? undefined : REFUSALS[this.#ending]) ?? COMPLETED;
    return new StorageError(code, message, { engine, operation });
  }

  commit(): Promise<void> {
    const refusal = this.refuse('commit');
    if (refusal !== undefined) return Promise.reject(refusal);
    let openings: Promise<void>[] | undefined;
    for (const part of this.#parts) {
      part.shut();
      if (part.opening !== undefined) (openings ??= []).push(part.opening);
    }
    this.#commit = openings === undefined ? this.#send() : this.#sendAfter(openings);
    return this.#commit;
  }

  /** Commits, unless the transaction was ended on purpose; whatever went wrong with it rejects. */
  conclude(): Promise<void> {
    if (this.#commit !== undefined) return this.#commit;
    return this.#ending === 'rolled back' ? DONE : this.commit();
  }

  rollback(): Promise<void> {
    const refusal = this.refuse('rollback');
    if (refusal !== undefined) return Promise.reject(refusal);
    this.end('rolled back');
    return DONE;
  }

  /** Rolls back, unless the transaction is over or its commit is under way. */
  end(ending: Ending): void {
    if (this.isShut) return;
    this.#place?.hot.rollback();
    this.#over('rolled_back', ending);
  }

  /** An engine of it goes. */
  engineEnded(): void {
    this.end('closed');
  }

  /** The end of a commit that is under way, if one is; how it ended is not told. */
  async settled(): Promise<void> {
    await this.#commit?.catch(() => {});
  }

  /** Ends the transaction if it was idle for too long; gives the milliseconds until it has to be looked at again. */
  watch(now: number): number {
    // Often enough to tell within a quarter when the last call was. A process that stood still, and looks late, had no
    // chance to make calls: that time does not count.
    const most = this.timeout / 4;
    if (this.uses !== this.#seenUses || this.#isBusy()) {
      this.#seenUses = this.uses;
      this.#idle = 0;
    } else {
      this.#idle += Math.min(now - this.#lookedAt, most);
    }
    this.#lookedAt = now;
    const left = this.timeout - this.#idle;
    if (left <= 0) this.end('timeout');
    return Math.min(left, most);
  }

  #isBusy(): boolean {
    for (const part of this.#parts) if (part.held?.busy === true || part.opening !== undefined) return true;
    return false;
  }

  async #sendAfter(openings: Promise<void>[]): Promise<void> {
    try {
      await Promise.all(openings);
    } catch (error) {
      this.#place?.hot.rollback();
      throw this.#failed(error);
    }
    // Whatever waited for an engine has been sent to it by now.
    await this.#send();
  }

  #send(): Promise<void> {
    const leases: PartLease[] = [];
    for (const { held } of this.#parts) if (held !== undefined) leases.push(held);
    // Without a part no call was made.
    if (leases.length === 0) return this.#committed();
    // The transaction began in the first of them, whichever was asked for first.
    const first = leases.find(({ place }) => place === this.#place)!;
    if (leases.length === 1) {
      try {
        if (first.tryCommit()) return this.#committed();
      } catch (error) {
        return Promise.reject(this.#failed(first.explain(error, 'commit', undefined)));
      }
    }
    return this.#queue(first, leases);
  }

  async #queue(first: PartLease, leases: PartLease[]): Promise<void> {
    // No engine of it goes before the commit is through.
    for (const lease of leases) lease.hold();
    try {
      for (const lease of leases) if (lease.gathers()) await this.#cross(lease);
      await first.commit();
      void this.#committed();
    } catch (error) {
      throw this.#failed(error);
    } finally {
      for (const lease of leases) lease.settled();
    }
  }

  async #cross(lease: PartLease): Promise<void> {
    try {
      await lease.cross();
    } catch (error) {
      this.#place?.hot.rollback();
      throw error;
    }
  }

  #committed(): Promise<void> {
    this.#over('committed', 'committed');
    return DONE;
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
    for (const part of this.#parts) part.end();
    this.#place = undefined;
    this.#keeper.ended(this, ending);
  }
}
