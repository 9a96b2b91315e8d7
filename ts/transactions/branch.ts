import { refused } from '../answers.js';
import type { ValueRules } from '../codec/rules.js';
import { rejection } from '../errors/rejection.js';
import type { StorageError } from '../errors/storage-error.js';
import type { CallHandle, LeaseHost } from '../native/call-queue.js';
import type { LeaseSource, StoreSource } from '../native/lease-source.js';
import type { StoreLease } from '../native/store-lease.js';
import type { Dependent, Lease } from '../native/lease.js';
import type { TransactionSlot } from '../native/transaction-slot.js';
import type { RetryPolicy } from '../retry.js';
import { BranchLease } from './branch-lease.js';

// A call made again would read another moment. The transaction is made again as a whole instead.
const ONCE: RetryPolicy = { attempts: 1, minDelay: 0, maxDelay: 0 };

/** The part of a transaction that its branches need. */
export interface BranchOwner extends Dependent {
  readonly readOnly: boolean;
  /** Counts the calls. */
  calls: number;
  /** Whether the transaction takes no more calls. */
  readonly isShut: boolean;
  readonly isOver: boolean;
  /** The error of a call that is not taken any more. */
  refuse(operation: string, engine?: string): StorageError | undefined;
  /** Makes the calls of a slot calls of the transaction. */
  enter(slot: TransactionSlot, engine: string): void;
}

/** An engine as one transaction sees it. Its first call opens the engine. */
export class TransactionBranch implements LeaseSource, LeaseHost {
  readonly retry = ONCE;
  readonly #owner: BranchOwner;
  readonly #connection: StoreSource;
  /** The engine's own lease, once the transaction uses it. */
  #beneath: StoreLease | undefined;
  /** The lease that calls go to. Undefined before the first call and once no more are taken. */
  #lease: BranchLease | undefined;
  /** The same lease. It stays here after the end, as native/v8-anchors.ts wants. */
  #held: BranchLease | undefined;
  #isOver = false;
  #opening: Promise<void> | undefined;

  constructor(
    owner: BranchOwner,
    readonly name: string,
    connection: StoreSource,
    readonly isOneMoment: boolean,
  ) {
    this.#owner = owner;
    this.#connection = connection;
  }

  get engine(): string {
    return this.name;
  }

  get within(): { store: object; transaction: object } {
    return { store: this.#connection, transaction: this.#owner };
  }

  get now(): () => number {
    return this.#connection.now;
  }

  get rules(): ValueRules {
    return this.#connection.rules;
  }

  get lease(): Lease | undefined {
    this.#owner.calls++;
    try {
      return this.#lease ?? this.#beginNow();
    } catch {
      return undefined; // the caller then calls withLease(), which rejects
    }
  }

  /** The lease with which the transaction ends. */
  get held(): BranchLease | undefined {
    return this.#isOver ? undefined : this.#held;
  }

  /** The opening of the engine for calls that wait. */
  get opening(): Promise<void> | undefined {
    return this.#held === undefined ? this.#opening : undefined;
  }

  onRetry(): void {}

  gone(operation: string): StorageError {
    return this.#owner.refuse(operation, this.name)!;
  }

  withLease<T>(operation: string, run: (lease: Lease) => Promise<T>, handle?: CallHandle): Promise<T> {
    const owner = this.#owner;
    const refusal = owner.refuse(operation, this.name);
    if (refusal !== undefined) return refused(refusal);
    owner.calls++;
    let lease;
    try {
      lease = this.#lease ?? this.#beginNow();
    } catch (error) {
      return rejection(error, { engine: this.name, operation });
    }
    if (lease !== undefined) return run(lease);
    this.#opening ??= this.#open(operation);
    return this.#connection.withLease(
      operation,
      () => (this.held === undefined ? Promise.reject(this.gone(operation)) : run(this.held)),
      handle,
    );
  }

  /** Takes no more calls. */
  shut(): void {
    this.#lease = undefined;
  }

  /** Gives the slot back: the transaction is over. */
  end(): void {
    const { held } = this;
    this.#lease = undefined;
    this.#isOver = true;
    if (held === undefined) return;
    this.#beneath!.removeDependent(this.#owner);
    held.end();
    this.#beneath!.slots.giveBack(held.slot);
  }

  /** Begins if the engine is open and no call waits for it. */
  #beginNow(): BranchLease | undefined {
    const { lease } = this.#connection;
    return lease === undefined || this.#opening !== undefined || this.#owner.isShut ? undefined : this.#begin(lease);
  }

  #open(operation: string): Promise<void> {
    const opening = this.#connection.withLease(operation, async (lease) => {
      if (!this.#owner.isOver) this.#begin(lease);
    });
    // The calls that wait are told of a failure, and the next call tries again.
    opening.catch(() => (this.#opening = undefined));
    return opening;
  }

  #begin(beneath: StoreLease): BranchLease {
    const owner = this.#owner;
    const slot = beneath.slots.take();
    owner.enter(slot, this.name);
    beneath.addDependent(owner);
    this.#beneath = beneath;
    const held = new BranchLease(slot, this, beneath, !owner.readOnly);
    this.#held = held;
    if (!owner.isShut) this.#lease = held;
    return held;
  }
}
