import { leaseSourceOf } from '../engines/wrap.js';
import type { Engine } from '../engines/contract.js';
import { StorageError, isStorageError } from '../errors.js';
import type { ErrorCode } from '../errors.js';
import { nativeSession } from '../native/environment.js';
import type { NativeTransaction, NativeTransactionLog } from '../native/interface.js';
import type { Lease } from '../native/lease.js';
import type { TransactionStatus } from './options.js';
import { Part } from './part.js';

/** An engine and the name the manager knows it by. */
export interface NamedEngine {
  readonly name: string;
  readonly engine: Engine;
}

/** How a transaction came to its end. */
export type Ending = 'committed' | 'rolled back' | 'conflict' | 'failed' | 'unknown' | 'timeout' | 'closed' | 'aborted';

const REFUSALS: Partial<Record<Ending, [ErrorCode, string]>> = {
  timeout: ['TRANSACTION_TIMEOUT', 'The transaction was idle for too long and has been rolled back'],
  closed: ['CLOSED', 'The engine was closed or disconnected meanwhile, and the transaction rolled back'],
  aborted: ['ABORTED', 'The transaction was aborted'],
};
const COMPLETED = ['TRANSACTION_COMPLETED', 'Transaction already completed'] as const;

/** The course of one transaction over its engines. */
export class Life {
  status: TransactionStatus = 'pending';
  /** Counts calls, which is all that tells an idle transaction from a busy one. */
  uses = 0;
  readonly #parts = new Map<Engine, Part>();
  readonly #onEnd: (ending: Ending) => void;
  #native: NativeTransaction | undefined;
  #ending: Ending | undefined;
  #commit: Promise<void> | undefined;
  #seenUses = -1;
  #lookedAt = 0;
  #idle = 0;

  constructor(
    readonly timeout: number,
    readonly readOnly: boolean,
    private readonly log: () => NativeTransactionLog,
    onEnd: (ending: Ending) => void,
  ) {
    this.#onEnd = onEnd;
  }

  /** Whether no more calls are taken. */
  get isShut(): boolean {
    return this.#commit !== undefined || this.isOver;
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  get native(): NativeTransaction {
    return (this.#native ??= nativeSession().begin(this.readOnly, this.log()));
  }

  /** The engine as the transaction sees it; the same each time. */
  part({ name, engine }: NamedEngine): Part {
    let part = this.#parts.get(engine);
    if (part === undefined) {
      part = new Part(this, name, leaseSourceOf(engine), engine.capabilities.snapshots);
      this.#parts.set(engine, part);
    }
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
    const openings: Promise<void>[] = [];
    for (const part of this.#parts.values()) {
      part.shut();
      if (part.opening !== undefined) openings.push(part.opening);
    }
    this.#commit = openings.length === 0 ? this.#send() : this.#sendAfter(openings);
    return this.#commit;
  }

  /** Commits, unless the transaction was ended on purpose; whatever went wrong with it rejects. */
  conclude(): Promise<void> {
    if (this.#commit !== undefined) return this.#commit;
    return this.#ending === 'rolled back' ? Promise.resolve() : this.commit();
  }

  rollback(): Promise<void> {
    const refusal = this.refuse('rollback');
    if (refusal !== undefined) return Promise.reject(refusal);
    this.end('rolled back');
    return Promise.resolve();
  }

  /** Rolls back, unless the transaction is over or its commit is under way. */
  end(ending: Ending): void {
    if (this.isShut) return;
    this.#native?.rollback();
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
    for (const part of this.#parts.values()) if (part.held?.busy === true || part.opening !== undefined) return true;
    return false;
  }

  async #sendAfter(openings: Promise<void>[]): Promise<void> {
    try {
      await Promise.all(openings);
    } catch (error) {
      this.#native?.rollback();
      throw this.#failed(error);
    }
    // Whatever waited for an engine has been sent to it by now.
    await this.#send();
  }

  #send(): Promise<void> {
    const native = this.#native;
    const leases = [...this.#parts.values()].flatMap(({ held }) => held ?? []);
    const [first] = leases;
    try {
      // Without a part no call was made.
      if (native === undefined || native.tryCommit() === true) return Promise.resolve(this.#over('committed', 'committed'));
    } catch (error) {
      return Promise.reject(this.#failed(first.explain(error, 'commit', undefined)));
    }
    return this.#queue(native, leases);
  }

  async #queue(native: NativeTransaction, leases: Lease[]): Promise<void> {
    // No engine of it goes before the commit is through.
    for (const lease of leases) lease.hold();
    try {
      await leases[0].queue('commit', undefined, () => {}, (id) => native.submitCommit(id));
      this.#over('committed', 'committed');
    } catch (error) {
      throw this.#failed(error);
    } finally {
      for (const lease of leases) lease.settled();
    }
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
    for (const part of this.#parts.values()) part.end();
    this.#native = undefined;
    this.#onEnd(ending);
  }
}
