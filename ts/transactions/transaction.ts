import { inspect } from 'node:util';
import type { DataMethods } from '../engines/contract.js';
import { NativeData } from '../engines/data/native-data.js';
import { state } from '../internal.js';
import { DONE } from '../native/lease.js';
import type { Part } from './branch.js';
import type { TransactionStatus } from './options.js';
import type { Life, NamedEngine } from './state.js';

/** What a transaction asks whoever began it for. */
export interface TransactionNaming {
  /** Makes its id, by which it will be found. */
  name(life: Life): string;
  resolve(engine?: string): NamedEngine;
}

/**
 * Reads and writes that take effect together at `commit()`, or not at all. It has the data methods of an engine, with
 * their options: reads see one moment of the engine, taken at the first of them, with the transaction's own writes over
 * it. `commit()` rejects with CONFLICT if something that was read has been changed since; see docs/transactions.md.
 *
 * `storage.transaction(fn)` begins, commits, rolls back and tries again by itself; this is for doing so by hand.
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
export class Transaction extends NativeData implements AsyncDisposable {
  readonly #life: Life;
  readonly #host: TransactionNaming;
  readonly #own: Part;
  #others: Map<Part, DataMethods> | undefined;

  /** @internal */
  constructor(life: Life, engine: NamedEngine, host: TransactionNaming) {
    const part = life.part(engine);
    super(part);
    this.#life = life;
    this.#host = host;
    this.#own = part;
  }

  /** `tx_`, the time of its beginning in milliseconds since 1970, `_`, and letters that tell it from others. */
  get id(): string {
    return (this.#life.id ??= this.#host.name(this.#life));
  }

  /** Where it stands. */
  get status(): TransactionStatus {
    return this.#life.status;
  }

  /**
   * Another engine of the manager inside this transaction. A transaction that writes to several is atomic over them.
   *
   * @param name - Default: the transaction's own engine.
   * @throws StorageError ENGINE_NOT_FOUND.
   * @example
   * await tx.engine('file').set('report', report);
   */
  engine(name?: string): DataMethods {
    const part = name === undefined ? this.#own : this.#life.part(this.#host.resolve(name));
    if (part === this.#own) return this;
    this.#others ??= new Map();
    let data = this.#others.get(part);
    if (data === undefined) this.#others.set(part, (data = new NativeData(part)));
    return data;
  }

  /**
   * Makes everything take effect at once, behind the calls made before, also those not awaited.
   *
   * @throws CONFLICT if what was read has been changed since; TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT; UNKNOWN_OUTCOME
   * if a server's answer was lost; whatever the engine's writes reject with. Nothing is written then, but for
   * UNKNOWN_OUTCOME.
   */
  commit(): Promise<void> {
    return this.#life.commit();
  }

  /** Drops what was written. @throws TRANSACTION_COMPLETED, TRANSACTION_TIMEOUT. */
  rollback(): Promise<void> {
    return this.#life.rollback();
  }

  /** Rolls back if it is still pending. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#life.end('rolled back');
    return DONE;
  }

  /** @internal */
  get [state](): Life {
    return this.#life;
  }

  /** Shows id and status only. */
  [inspect.custom](): string {
    return `Transaction { id: '${this.id}', status: '${this.status}' }`;
  }
}
