import { setText } from '../native/batch-text.js';
import type { NativeValue } from '../native/interface.js';
import { DONE, Lease } from '../native/lease.js';
import type { CallHandle, Decode, LeaseHost, Place } from '../native/lease.js';
import type { LeasedView, ReadOperation } from '../native/view.js';

/** Units of text that gather before they cross by themselves. */
const MOST_GATHERED = 1 << 18;

/**
 * The lease of a store as a transaction has it. Plain writes cannot fail before the commit, so they gather here and cross as one text: before
 * the first call that could see them, at the latest with the commit.
 */
export class PartLease extends Lease {
  readonly #mayGather: boolean;
  /** Texts by key, each the latest. */
  #writes: Map<string, string> | undefined;
  #units = 0;
  /** Writes that had to be queued, and whether that failed. */
  #crossing: Promise<unknown> | undefined;

  /** @param mayGather - Whether writes may wait: those of a transaction that only reads are refused at once. */
  constructor(
    readonly place: Place,
    host: LeaseHost,
    beneath: Lease,
    mayGather: boolean,
  ) {
    super(place.store, host, place.hot, beneath);
    this.#mayGather = mayGather;
  }

  override tryGet(key: string): NativeValue | null | undefined {
    return this.#writes?.get(key) ?? this.hot.tryGet(key);
  }

  override read<T>(operation: ReadOperation, argument: string, decode: Decode<T>): Promise<T> {
    this.#cross();
    return super.read(operation, argument, decode);
  }

  override set(
    key: string,
    value: NativeValue,
    expiresAt?: number,
    metadata?: string,
    handle?: CallHandle,
  ): Promise<void> {
    if (typeof value === 'string' && expiresAt === undefined && metadata === undefined && this.#mayGather) {
      (this.#writes ??= new Map()).set(key, value);
      this.#units += key.length + value.length;
      if (this.#units > MOST_GATHERED) this.#cross();
      return DONE;
    }
    this.#cross();
    return super.set(key, value, expiresAt, metadata, handle);
  }

  override delete(key: string): Promise<boolean> {
    this.#cross();
    return super.delete(key);
  }

  override batch<T>(
    operation: string,
    key: string | undefined,
    ops: string,
    report: boolean,
    decode: Decode<T>,
    handle?: CallHandle,
  ): Promise<T> {
    this.#cross();
    return super.batch(operation, key, ops, report, decode, handle);
  }

  override openView(operation: string): Promise<LeasedView> {
    this.#cross();
    return super.openView(operation);
  }

  /** Commits the transaction that began here; true if that could be done at once. Throws what went wrong. */
  tryCommit(): boolean {
    // What had to be queued may have failed.
    if (this.#crossing !== undefined) return false;
    const writes = this.#take();
    const done = this.place.hot.tryCommit(writes);
    if (done === undefined && writes !== undefined) this.#queueWrites(writes);
    return done === true;
  }

  /** Whether there is anything for {@link cross} to do. */
  gathers(): boolean {
    return this.#units !== 0 || this.#crossing !== undefined;
  }

  /** Sends what has gathered, and waits where it had to be queued: what is queued afterwards comes behind it. Rejects if it failed. */
  async cross(): Promise<void> {
    this.#cross();
    await this.#crossing;
  }

  /** The same for the commit of the transaction that began here. */
  commit(): Promise<void> {
    return this.queue(
      'commit',
      undefined,
      () => {},
      (id) => this.place.store.submitCommit(id),
    );
  }

  #cross(): void {
    const writes = this.#take();
    if (writes === undefined) return;
    try {
      if (this.store.tryBatch(writes, false) === undefined) this.#queueWrites(writes);
    } catch (error) {
      this.#keep(Promise.reject(this.explain(error, 'set', undefined)));
    }
  }

  #queueWrites(writes: string): void {
    this.#keep(
      this.queue(
        'set',
        undefined,
        () => {},
        (id) => this.store.submitBatch(id, writes, false),
      ),
    );
  }

  #keep(crossing: Promise<unknown>): void {
    const before = this.#crossing;
    const both = before === undefined ? crossing : Promise.all([before, crossing]);
    // Whoever commits is told; nobody else waits for it.
    both.catch(() => {});
    this.#crossing = both;
  }

  #take(): string | undefined {
    if (this.#units === 0) return undefined;
    let text = '';
    for (const [key, value] of this.#writes!) text += setText(key, value);
    this.#writes = undefined;
    this.#units = 0;
    return text;
  }
}
