import { rejection } from '../errors/rejection.js';
import type { StorageError } from '../errors/storage-error.js';
import type { LeaseSource } from '../native/lease-source.js';
import type { CallHandle, Lease, LeaseHost } from '../native/lease.js';
import type { RetryPolicy } from '../retry.js';
import { PartLease } from './branch-lease.js';
import type { Life } from './state.js';

// One call made again would read of another moment: the transaction is made again as a whole.
const ONCE: RetryPolicy = { attempts: 1, minDelay: 0, maxDelay: 0 };

/** One engine as a transaction sees it. The engine is opened by the first call. */
export class Part implements LeaseSource, LeaseHost {
  readonly retry = ONCE;
  readonly #life: Life;
  readonly #connection: LeaseSource;
  /** The engine's own lease, once the transaction uses it. */
  #beneath: Lease | undefined;
  /** What calls go to; undefined before the first and once no more are taken. */
  #lease: PartLease | undefined;
  /** The same, until the transaction is over, and as long as the object afterwards: see `TransactionManager.#remains`. */
  #held: PartLease | undefined;
  #isOver = false;
  #opening: Promise<void> | undefined;

  constructor(
    life: Life,
    readonly name: string,
    connection: LeaseSource,
    readonly isOneMoment: boolean,
  ) {
    this.#life = life;
    this.#connection = connection;
  }

  get engine(): string {
    return this.name;
  }

  get maxBytes(): number {
    return this.#connection.maxBytes;
  }

  get lease(): Lease | undefined {
    this.#life.uses++;
    try {
      return this.#lease ?? this.#now();
    } catch {
      return undefined; // whoever needs it asks withLease(), which rejects
    }
  }

  /** The lease for what ends the transaction. */
  get held(): PartLease | undefined {
    return this.#isOver ? undefined : this.#held;
  }

  /** The engine is being opened for calls that wait. */
  get opening(): Promise<void> | undefined {
    return this.#held === undefined ? this.#opening : undefined;
  }

  onRetry(): void {}

  gone(operation: string): StorageError {
    return this.#life.refuse(operation, this.name)!;
  }

  withLease<T>(operation: string, run: (lease: Lease) => Promise<T>, handle?: CallHandle): Promise<T> {
    const life = this.#life;
    const refusal = life.refuse(operation, this.name);
    if (refusal !== undefined) return Promise.reject(refusal);
    life.uses++;
    let lease;
    try {
      lease = this.#lease ?? this.#now();
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

  /** The transaction is over. */
  end(): void {
    const { held } = this;
    this.#lease = undefined;
    this.#isOver = true;
    if (held === undefined) return;
    this.#beneath!.removeDependent(this.#life);
    held.end();
    this.#beneath!.giveBackPlace(held.place);
  }

  /** The lease, if the engine is open and no call waits for it. */
  #now(): PartLease | undefined {
    const { lease } = this.#connection;
    return lease === undefined || this.#opening !== undefined || this.#life.isShut ? undefined : this.#begin(lease);
  }

  #open(operation: string): Promise<void> {
    const opening = this.#connection.withLease(operation, async (lease) => {
      if (!this.#life.isOver) this.#begin(lease);
    });
    // The calls that wait are told; and the next one tries again.
    opening.catch(() => (this.#opening = undefined));
    return opening;
  }

  #begin(beneath: Lease): PartLease {
    const life = this.#life;
    const place = beneath.takePlace();
    life.enter(place, this.name);
    beneath.addDependent(life);
    this.#beneath = beneath;
    const held = new PartLease(place, this, beneath, !life.readOnly);
    this.#held = held;
    if (!life.isShut) this.#lease = held;
    return held;
  }
}
