import { inspect } from 'node:util';
import { done } from '../answers.js';
import { refuseExtraArguments } from '../arguments/arity.js';
import type { DataMethods } from '../engines/contract.js';
import { state } from '../internal.js';
import { BranchData } from './branch-data.js';
import type { TransactionBranch } from './branch.js';
import type { TransactionStatus } from './options.js';
import type { NamedEngine, TransactionState } from './state.js';

/** The part of its manager that a transaction needs, besides the part that its state needs. */
export interface TransactionRegistry {
  /** Makes the id of a transaction, by which the manager will find it. */
  register(state: TransactionState): string;
  resolve(engine?: string): NamedEngine;
}

/**
 * Reads and writes that take effect together at `commit()`, or not at all. It has the data methods of an engine, with
 * their options. Reads see one moment of the engine, taken at the first of them, with the transaction's own writes over
 * it. `commit()` rejects with CONFLICT if something that was read has been changed since; see docs/transactions.md.
 *
 * `storage.transaction(fn)` begins, commits, rolls back and tries again by itself; this class is for doing so by hand.
 *
 * @example
 * const tx = await storage.beginTransaction();
 * try {
 *   const stock = await tx.get('stock');
 *   await tx.set('stock', stock - 1);
 *   await tx.set('order:7', { item: 'book' });
 *   await tx.commit();
 * } catch (error) {
 *   if (tx.status === 'pending') await tx.rollback();
 *   throw error;
 * }
 */
export class Transaction extends BranchData implements AsyncDisposable {
  readonly #state: TransactionState;
  readonly #registry: TransactionRegistry;
  readonly #own: TransactionBranch;
  #others: Map<TransactionBranch, DataMethods> | undefined;

  static {
    refuseExtraArguments(this, { promises: { commit: '', rollback: '' }, values: { engine: 'name' } });
  }

  /** @internal */
  constructor(state: TransactionState, engine: NamedEngine, registry: TransactionRegistry) {
    const branch = state.branch(engine);
    super(branch);
    this.#state = state;
    this.#registry = registry;
    this.#own = branch;
  }

  /** `tx_`, the time of its beginning in milliseconds since 1970, `_`, and letters that tell it from others. */
  get id(): string {
    return (this.#state.id ??= this.#registry.register(this.#state));
  }

  /** Whether it is pending, committed or rolled back. */
  get status(): TransactionStatus {
    return this.#state.status;
  }

  /**
   * Another engine of the manager inside this transaction. A transaction that writes to several engines is atomic over
   * them.
   *
   * @param name - Default: the transaction's own engine.
   * @throws StorageError ENGINE_NOT_FOUND.
   * @example
   * await tx.engine('file').set('report', report);
   */
  engine(name?: string): DataMethods {
    const branch = name === undefined ? this.#own : this.#state.branch(this.#registry.resolve(name));
    if (branch === this.#own) return this;
    this.#others ??= new Map();
    let data = this.#others.get(branch);
    if (data === undefined) this.#others.set(branch, (data = new BranchData(branch)));
    return data;
  }

  /**
   * Makes everything take effect at once, behind the calls made before, also those that were not awaited.
   *
   * @throws CONFLICT if what was read has been changed since; TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT;
   * UNKNOWN_OUTCOME if a server's answer was lost; whatever the engine's writes reject with. Nothing is written then,
   * except perhaps after UNKNOWN_OUTCOME.
   */
  commit(): Promise<void> {
    return this.#state.commit();
  }

  /** Drops what was written. @throws TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT. */
  rollback(): Promise<void> {
    return this.#state.rollback();
  }

  /** Rolls back if it is still pending. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#state.end('rolled back');
    return done();
  }

  /** Shows id and status only. */
  [inspect.custom](): string {
    return `Transaction { id: '${this.id}', status: '${this.status}' }`;
  }

  /** @internal */
  get [state](): TransactionState {
    return this.#state;
  }
}
