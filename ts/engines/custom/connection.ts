import { existsSync } from 'node:fs';
import { now } from '../../clock.js';
import type { ValueRules } from '../../codec/rules.js';
import { rejectedLater } from '../../errors/stack.js';
import { StorageError } from '../../errors/storage-error.js';
import type { CallHandle, LeaseHost } from '../../native/call-queue.js';
import type { LeaseSource } from '../../native/lease-source.js';
import { StoreLease } from '../../native/store-lease.js';
import type { Recovery } from '../../native/open.js';
import type { EngineHooks } from '../hooks.js';
import type { CustomHost } from './host.js';

/** The engine of a connection. */
export interface CustomOwner {
  readonly name: string;
  readonly hooks: EngineHooks;
  readonly isReady: boolean;
  connect(): Promise<void>;
}

interface Waiting {
  run(lease: StoreLease): void;
  reject(error: unknown): void;
}

/**
 * Opens a custom engine as a store of the core's when the first transaction needs it, and closes it with the
 * disconnect.
 */
export class CustomConnection implements LeaseSource {
  lease: StoreLease | undefined;
  /** Set by a manager. An engine without a manager knows no transaction logs. */
  recovery: Recovery | undefined;
  readonly #owner: CustomOwner;
  readonly #host: CustomHost;
  readonly #leaseHost: LeaseHost;
  #opening: Promise<void> | undefined;
  #waiting: Waiting[] = [];

  constructor(owner: CustomOwner, host: CustomHost) {
    this.#owner = owner;
    this.#host = host;
    this.#leaseHost = {
      engine: owner.name,
      get retry() {
        return owner.hooks.retry;
      },
      onRetry() {}, // only transactions read here, and they are made again as a whole
      gone: (operation) =>
        new StorageError('CLOSED', 'The engine was closed or disconnected meanwhile', {
          engine: owner.name,
          operation,
        }),
    };
  }

  get name(): string {
    return this.#owner.name;
  }

  readonly now = now;

  get rules(): ValueRules {
    return this.#owner.hooks.rules;
  }

  /** Finishes what a crash left, as the engine connects and before anything else is read. */
  async recover(): Promise<void> {
    if (this.recovery !== undefined && existsSync(this.recovery.folder)) await this.#open();
  }

  withLease<T>(_operation: string, run: (lease: StoreLease) => Promise<T>, handle?: CallHandle): Promise<T> {
    if (this.lease !== undefined) return run(this.lease);
    return new Promise((resolve) => {
      const reject = (error: unknown): void => resolve(rejectedLater(error));
      const start = (lease: StoreLease): void => {
        if (handle?.abandoned === undefined) run(lease).then(resolve, reject);
      };
      this.#waiting.push({ run: start, reject });
      void this.#connect();
    });
  }

  /** Finishes the calls under way and gives the store back. */
  async finish(): Promise<void> {
    await this.#opening?.catch(() => {});
    const { lease } = this;
    if (lease === undefined) return;
    this.lease = undefined;
    await lease.finish();
    await lease.giveBack();
    this.#host.close();
  }

  /** Opens the store for the calls that wait, or rejects them. */
  async #connect(): Promise<void> {
    try {
      do await this.#owner.connect();
      while (!this.#owner.isReady);
      await this.#open();
    } catch (error) {
      for (const call of this.#waiting.splice(0)) call.reject(error);
    }
  }

  #open(): Promise<void> {
    if (this.lease !== undefined) return Promise.resolve();
    return (this.#opening ??= this.#openNow().finally(() => (this.#opening = undefined)));
  }

  // What follows the await is one step, so no call comes between those that waited and direct ones.
  async #openNow(): Promise<void> {
    const lease = (this.lease = new StoreLease(await this.#host.open(this.recovery), this.#leaseHost));
    for (const call of this.#waiting.splice(0)) call.run(lease);
  }
}
