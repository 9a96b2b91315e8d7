import { done } from '../answers.js';
import { tick } from '../clock.js';
import { setText } from '../native/batch-text.js';
import type { CallHandle, LeaseHost } from '../native/call-queue.js';
import { VERBS } from '../native/interface.js';
import type { NativeValue } from '../native/interface.js';
import { Lease } from '../native/lease.js';
import type { ModelCall, ModelCallOptions } from '../native/model-call.js';
import { nothing } from '../native/results.js';
import type { Decode } from '../native/results.js';
import type { TransactionSlot } from '../native/transaction-slot.js';

/** Gathered writes that take more UTF-16 units than this are sent. */
const MOST_GATHERED = 1 << 18;

/**
 * The lease through which a transaction calls one engine. A plain write cannot fail before the commit, so it is
 * gathered here as text. All gathered writes are sent as one batch: before the next call to the addon, at the latest
 * with the commit (docs/decisions/0013-gathered-writes.md).
 */
export class BranchLease extends Lease {
  readonly #mayGather: boolean;
  /** The latest text of each key. */
  #writes: Map<string, string> | undefined;
  #units = 0;
  /** Calls of models, and batches of gathered writes that had to be queued. It rejects if one of those failed. */
  #sending: Promise<unknown> | undefined;

  /** @param mayGather - Whether writes are gathered: those of a read-only transaction are refused at once. */
  constructor(
    readonly slot: TransactionSlot,
    host: LeaseHost,
    beneath: Lease,
    mayGather: boolean,
  ) {
    super(slot, host, beneath.spinWait, beneath);
    this.#mayGather = mayGather;
  }

  /** The gathered writes come before every call. */
  override call(): TransactionSlot {
    tick();
    this.#flush();
    return this.slot;
  }

  // A get of one key does not depend on writes of other keys, so they stay gathered.
  override tryGet(key: string): NativeValue | null | undefined {
    tick();
    return this.#writes?.get(key) ?? this.slot.hot.tryGet(key);
  }

  override queueGet<T>(key: string, decode: Decode<T>): Promise<T> {
    return this.queue('get', key, decode, (id) => this.slot.store.submitCall(id, VERBS.get, key), true);
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
      if (this.#units > MOST_GATHERED) this.#flush();
      return done();
    }
    return super.set(key, value, expiresAt, metadata, handle);
  }

  /** The commit waits for the answer. */
  override model(
    operation: string,
    request: string,
    options?: ModelCallOptions,
    handle?: CallHandle,
  ): Promise<string | ModelCall> {
    const answer = super.model(operation, request, options, handle);
    this.#keep(answer.catch(nothing));
    return answer;
  }

  /** Commits the transaction that began in the slot. True: that was done at once. Throws what went wrong. */
  tryCommit(): boolean {
    // A batch that had to be queued may have failed.
    if (this.#sending !== undefined) return false;
    const writes = this.#take();
    const done = this.slot.hot.tryCommit(writes);
    if (done === undefined && writes !== undefined) this.#queueWrites(writes);
    return done === true;
  }

  /** Whether there is anything for {@link sent} to wait for. */
  hasUnsent(): boolean {
    return this.#units !== 0 || this.#sending !== undefined;
  }

  /** Sends the gathered writes, and waits for batches that had to be queued. Rejects if one of them failed. */
  async sent(): Promise<void> {
    this.#flush();
    await this.#sending;
  }

  /** Commits the transaction that began in the slot, behind the calls made before. */
  commit(): Promise<void> {
    return this.queue('commit', undefined, nothing, (id) => this.slot.store.submitCommit(id));
  }

  #flush(): void {
    const writes = this.#take();
    if (writes === undefined) return;
    try {
      if (this.slot.store.tryCall(VERBS.write, writes) === undefined) this.#queueWrites(writes);
    } catch (error) {
      this.#keep(Promise.reject(this.explain(error, 'set', undefined)));
    }
  }

  #queueWrites(writes: string): void {
    this.#keep(this.queue('set', undefined, nothing, (id) => this.slot.store.submitCall(id, VERBS.write, writes)));
  }

  #keep(sending: Promise<unknown>): void {
    const before = this.#sending;
    const both = before === undefined ? sending : Promise.all([before, sending]);
    // The commit is told of a failure. Nobody else waits for it.
    both.catch(() => {});
    this.#sending = both;
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
