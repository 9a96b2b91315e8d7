import { refused } from '../../answers.js';
import { now, systemNow, tick } from '../../clock.js';
import type { ValueRules } from '../../codec/rules.js';
import { fromNative } from '../../errors/from-native.js';
import { rejectedLater } from '../../errors/stack.js';
import { StorageError, addContext, isStorageError, sameAgain } from '../../errors/storage-error.js';
import type { StorageTypeError } from '../../errors/storage-error.js';
import type { CallHandle, LeaseHost } from '../../native/call-queue.js';
import type { LeaseSource } from '../../native/lease-source.js';
import { StoreLease } from '../../native/store-lease.js';
import { openStore, openStoreSync } from '../../native/open.js';
import type { OpenRequest, Recovery } from '../../native/open.js';
import { retryDelay } from '../../retry.js';
import { sleep } from '../../timers.js';
import { NO_HOOKS } from '../hooks.js';
import type { EngineHooks } from '../hooks.js';

/** The engine of a connection. */
export interface ConnectionOwner {
  readonly name: string;
  closed(): boolean;
  connect(): Promise<void>;
  /** A blocking call has opened the store. */
  openedSync(): void;
  /** The store is open. `capabilities` is the JSON of its abilities. */
  opened(capabilities: string): void;
}

/** A call that waits for the store. It rejects by itself if the opening fails. */
interface Waiting {
  run(lease: StoreLease): void;
}

/** Opens and closes the store of a built-in engine. Calls that are made meanwhile keep their order. */
export class Connection implements LeaseSource {
  /** The open store. Undefined while there is none: calls then wait for it. */
  lease: StoreLease | undefined;
  hooks: EngineHooks = NO_HOOKS;
  readonly now: () => number;
  /** Set by a manager. An engine without a manager knows no transaction logs. */
  recovery: Recovery | undefined;
  /** Counts calls and openings that were made again. */
  retries = 0;
  readonly #owner: ConnectionOwner;
  readonly #request: OpenRequest;
  readonly #keeps: boolean;
  readonly #host: LeaseHost;
  #kept: StoreLease | undefined;
  #waiting = new Set<Waiting>();
  #connectedBefore = false;

  /** @param keeps - Whether a disconnect keeps the store, because it lives in memory. */
  constructor(owner: ConnectionOwner, request: OpenRequest, keeps: boolean) {
    this.#owner = owner;
    // The addon holds the listener, which must not keep an engine alive that the application has let go.
    const listener = request.engine === 'redis' ? Connection.#weakListener(new WeakRef(this)) : request.listener;
    this.#request = { ...request, listener };
    this.#keeps = keeps;
    // A server judges expiry by its own clock, which no application sets.
    this.now = request.engine === 'redis' ? systemNow : now;
    const hooks = (): EngineHooks => this.hooks;
    this.#host = {
      engine: owner.name,
      get retry() {
        return hooks().retry;
      },
      onRetry: (operation, error, attempt, delay) => this.#retrying(operation, error, attempt, delay),
      gone: (operation) =>
        new StorageError('CLOSED', 'The engine was closed or disconnected meanwhile', {
          engine: owner.name,
          operation,
        }),
    };
  }

  static #weakListener(connection: WeakRef<Connection>): (text: string) => void {
    return (text) => connection.deref()?.hear(text);
  }

  get name(): string {
    return this.#owner.name;
  }

  get rules(): ValueRules {
    return this.hooks.rules;
  }

  async open(): Promise<void> {
    if (this.#kept !== undefined) return this.#use(this.#kept);
    let lease;
    for (let failures = 1; lease === undefined; failures++) {
      try {
        lease = new StoreLease(await openStore(this.#request, this.recovery), this.#host);
      } catch (error) {
        if (await this.#pause(error, failures)) continue;
        // A blocking call may have opened the store meanwhile, and run the calls that waited.
        if (this.lease !== undefined) return;
        if (this.#waiting.size > 0) this.hooks.onError(error, this.#owner.name);
        throw error;
      }
    }
    if (this.lease === undefined) this.#use(lease);
    else await lease.giveBack();
  }

  /** Finishes the calls under way and gives the store back, or keeps it. */
  async finish(): Promise<void> {
    const lease = this.lease;
    if (lease === undefined) return;
    this.lease = undefined;
    // Kept from now on: a blocking call may need it while others still finish.
    if (this.#keeps) this.#kept = lease;
    await lease.finish();
    if (!this.#keeps) await lease.giveBack();
  }

  /** Gives back a store that was kept. */
  async close(): Promise<void> {
    const kept = this.#kept;
    this.#kept = undefined;
    await kept?.giveBack();
  }

  /** Runs a call now if the store is open, else once it is open, after the calls made before. */
  withLease<T>(operation: string, run: (lease: StoreLease) => Promise<T>, handle?: CallHandle): Promise<T> {
    return this.lease === undefined ? this.#whenOpen(operation, run, handle) : run(this.lease);
  }

  /** The open store. If there is none, this call opens it and first runs the calls that wait for it. */
  openNow(operation: string): StoreLease {
    tick();
    if (this.lease === undefined) {
      if (this.#owner.closed()) throw this.#closedError(operation);
      this.#use(this.#kept ?? new StoreLease(openStoreSync(this.#request, this.recovery), this.#host));
      this.#owner.openedSync();
    }
    return this.lease!;
  }

  #whenOpen<T>(operation: string, run: (lease: StoreLease) => Promise<T>, handle: CallHandle | undefined): Promise<T> {
    if (this.#owner.closed()) return refused(this.#closedError(operation));
    return new Promise((resolve) => {
      const reject = (error: unknown): void => resolve(rejectedLater(error));
      const call: Waiting = {
        run: (lease) => {
          if (handle?.abandoned === undefined) run(lease).then(resolve, reject);
        },
      };
      this.#waiting.add(call);
      // Each call rejects by itself, once the opening is over: a call that is made in answer to that opens anew.
      this.#owner.connect().catch((error: unknown) => {
        if (this.#waiting.delete(call)) reject(sameAgain(error));
      });
    });
  }

  /**
   * Waits before the store is opened again, if a server was away and calls wait for it: nothing was sent yet, and the
   * calls stay in order. Without waiting calls, a `connect()` of the user's rejects at once. `lockTimeout`, not this,
   * says how long to wait for another process's lock.
   */
  async #pause(error: unknown, failures: number): Promise<boolean> {
    const { retry } = this.hooks;
    if (this.lease !== undefined || this.#waiting.size === 0 || failures >= retry.attempts) return false;
    if (!isStorageError(error) || (error.code !== 'CONNECTION' && error.code !== 'TIMEOUT')) return false;
    const delay = retryDelay(retry, failures);
    this.#retrying('connect', error, failures + 1, delay);
    await sleep(delay);
    return !this.#owner.closed() && this.lease === undefined;
  }

  /** Is told that the connection to a server was lost, by the JSON of an error, or made again, by `up`. */
  hear(text: string): void {
    const engine = this.#owner.name;
    if (text === 'up') this.hooks.onUp(engine);
    else this.hooks.onDown(engine, addContext(fromNative(text), { engine }));
  }

  #retrying(operation: string, error: StorageError | StorageTypeError, attempt: number, delay: number): void {
    this.retries++;
    this.hooks.onRetry({ engine: this.#owner.name, operation, attempt, delay, error });
  }

  // This is one step, so no call comes between those that waited and direct ones.
  #use(lease: StoreLease): void {
    if (lease === this.#kept) {
      this.#kept = undefined;
      lease.resume();
    }
    this.lease = lease;
    this.#owner.opened(lease.store.capabilities);
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const call of waiting) call.run(lease);
    if (this.#connectedBefore) this.hooks.onReconnect(this.#owner.name);
    this.#connectedBefore = true;
  }

  #closedError(operation: string): StorageError {
    return new StorageError('CLOSED', `The engine ${this.#owner.name} is closed`, {
      engine: this.#owner.name,
      operation,
    });
  }
}
