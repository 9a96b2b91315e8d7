import type { CallHandle, Lease, LeaseHost } from '../native/lease.js';
import type { LeaseSource } from '../native/lease-source.js';
import type { Life } from './life.js';

/** One engine as a transaction sees it. The engine is opened by the first call. */
export class Part implements LeaseSource {
  readonly name: string;
  readonly #life: Life;
  readonly #connection: LeaseSource;
  readonly #host: LeaseHost;
  /** What calls go to; undefined before the first and once no more are taken. */
  #lease: Lease | undefined;
  /** The same, until the transaction is over. */
  #held: Lease | undefined;
  #opening: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(
    life: Life,
    name: string,
    connection: LeaseSource,
    readonly isOneMoment: boolean,
  ) {
    this.name = name;
    this.#life = life;
    this.#connection = connection;
    this.#host = {
      engine: name,
      // One call made again would read of another moment: the transaction is made again as a whole.
      retry: { attempts: 1, minDelay: 0, maxDelay: 0 },
      onRetry() {},
      gone: (operation) => life.refuse(operation, name)!,
    };
  }

  get maxBytes(): number {
    return this.#connection.maxBytes;
  }

  get lease(): Lease | undefined {
    this.#life.uses++;
    return this.#lease;
  }

  /** The lease for what ends the transaction. */
  get held(): Lease | undefined {
    return this.#held;
  }

  /** The engine is being opened for calls that wait. */
  get opening(): Promise<void> | undefined {
    return this.#held === undefined ? this.#opening : undefined;
  }

  withLease<T>(operation: string, run: (lease: Lease) => Promise<T>, handle?: CallHandle): Promise<T> {
    const life = this.#life;
    life.uses++;
    const refusal = life.refuse(operation, this.name);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (this.#lease !== undefined) return run(this.#lease);
    const connection = this.#connection;
    if (this.#opening === undefined && connection.lease !== undefined) return run(this.#begin(connection.lease));
    this.#opening ??= this.#open(operation);
    return connection.withLease(
      operation,
      () => (this.#held === undefined ? Promise.reject(life.refuse(operation, this.name)!) : run(this.#held)),
      handle,
    );
  }

  /** Takes no more calls. */
  shut(): void {
    this.#lease = undefined;
  }

  /** The transaction is over. */
  end(): void {
    this.#lease = undefined;
    this.#held = undefined;
    this.#release?.();
  }

  #open(operation: string): Promise<void> {
    const opening = this.#connection.withLease(operation, async (lease) => {
      if (!this.#life.isOver) this.#begin(lease);
    });
    // The calls that wait are told; and the next one tries again.
    opening.catch(() => (this.#opening = undefined));
    return opening;
  }

  #begin(beneath: Lease): Lease {
    const life = this.#life;
    const held = beneath.lend(life.native, this.name, this.#host);
    const forget = beneath.onEnd(() => life.engineEnded());
    this.#release = () => {
      forget();
      void held.finish();
      beneath.takeBack(held);
    };
    this.#held = held;
    if (!life.isShut) this.#lease = held;
    return held;
  }
}
