import { fromNative } from '../errors/from-native.js';
import { addContext } from '../errors/storage-error.js';
import type { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { retryDelay } from '../retry.js';
import type { RetryPolicy } from '../retry.js';
import { QueuedCall, forgetProgress, listenForProgress } from './calls.js';
import type { Caller } from './calls.js';
import type {
  NativeHotCalls,
  NativePlace,
  NativePlaceCalls,
  NativeStore,
  NativeTransactionLog,
  NativeValue,
  NativeView,
} from './interface.js';
import { Lookout } from './spin-wait.js';
import { LeasedView, submitRead } from './view.js';
import type { ReadOperation } from './view.js';

/** What a lease is told by its engine. */
export interface LeaseHost {
  readonly engine: string;
  readonly retry: RetryPolicy;
  onRetry(operation: string, error: StorageError | StorageTypeError, attempt: number, delay: number): void;
  /** Why nothing more is to be had of a lease that ended. */
  gone(operation: string): StorageError;
}

/** Lets a caller give up a call that it started, wherever that has got to. */
export interface CallHandle {
  call?: QueuedCall;
  abandoned?: unknown;
}

/** Rejects what was started with `handle`, wherever it is. What the addon has begun goes on unheard. */
export function cancelCall(handle: CallHandle, error: Error): void {
  handle.abandoned = error;
  const { call } = handle;
  call?.abandon(error);
}

/** A store for transactions, and who those in it belong to. */
export interface Place {
  readonly store: NativePlace;
  readonly hot: NativePlaceCalls;
  /** What it was told to serve. */
  name: string | undefined;
  log: NativeTransactionLog | undefined;
}

// Making one takes as long as a short transaction; more than are open at a time are never used.
const MOST_PLACES = 64;

/** Whoever has to know when a use of a store ends. */
export interface Dependent {
  engineEnded(): void;
}

export type Decode<T> = (result: never) => T;

/**
 * One use of an open store, from connect to disconnect. It knows what is under way, so that it can be given back in
 * order: after the last call, with every view closed.
 */
export class Lease implements Caller {
  // Made when they are needed: a transaction has a lease of its own.
  #views: Set<LeasedView> | undefined;
  #dependents: Set<Dependent> | undefined;
  /** Stores for transactions over this one that none is in now. */
  #places: Place[] | undefined;
  #underWay = 0;
  #onIdle: (() => void) | undefined;
  #ending = false;
  #uses = 1;

  readonly hot: NativeHotCalls;
  /** Of a store in this process, whose calls may be short. */
  protected readonly lookout: Lookout | undefined;

  /** @param beneath - A lease that is held with this one while it has calls under way. */
  constructor(
    readonly store: NativeStore,
    readonly host: LeaseHost,
    hot?: NativeHotCalls,
    private readonly beneath?: Lease,
  ) {
    // Read once from the store, which makes it anew each time.
    this.hot = hot ?? store.hot;
    this.lookout = beneath === undefined ? lookoutFor(store) : beneath.lookout;
  }

  /** A place for a transaction over this store, to be given back. */
  takePlace(): Place {
    const free = this.#places?.pop();
    if (free !== undefined) return free;
    const store = this.store.forTransactions();
    return { store, hot: store.hot, name: undefined, log: undefined };
  }

  /** Takes back what {@link takePlace} gave, for the next one. Nothing more may be called with it. */
  giveBackPlace(place: Place): void {
    this.#places ??= [];
    if (this.#places.length < MOST_PLACES) this.#places.push(place);
  }

  get engine(): string {
    return this.host.engine;
  }

  /** Which use of the store this is; it ends with {@link finish}. */
  get use(): number {
    return this.#ending ? 0 : this.#uses;
  }

  /** Whether calls are under way. */
  get busy(): boolean {
    return this.#underWay !== 0;
  }

  /** Tells `dependent` when this use of the store ends, before it waits for what is under way. */
  addDependent(dependent: Dependent): void {
    (this.#dependents ??= new Set()).add(dependent);
  }

  removeDependent(dependent: Dependent): void {
    this.#dependents?.delete(dependent);
  }

  /** The value of a key, if the store has it at once. */
  tryGet(key: string): NativeValue | null | undefined {
    return this.hot.tryGet(key);
  }

  /** Reads inline if the store can, else queued. */
  read<T>(operation: ReadOperation, argument: string, decode: Decode<T>): Promise<T> {
    const key = operation === 'get' || operation === 'has' || operation === 'getEntry' ? argument : undefined;
    let found;
    try {
      found = this.#tryRead(operation, argument);
      if (found !== undefined) return Promise.resolve(decode(found as never));
    } catch (error) {
      return this.refuse(error, operation, key);
    }
    const { store } = this;
    return this.queue(operation, key, decode, (id) => submitRead(store, operation, id, argument), true);
  }

  /** The queued half of a get, for a caller that tried the other. */
  queueGet<T>(key: string, decode: Decode<T>): Promise<T> {
    return this.queue('get', key, decode, (id) => this.store.submitGet(id, key), true);
  }

  set(key: string, value: NativeValue, expiresAt?: number, metadata?: string, handle?: CallHandle): Promise<void> {
    try {
      const plain = expiresAt === undefined && metadata === undefined;
      const done = plain ? this.hot.trySet(key, value) : this.hot.trySet(key, value, expiresAt, metadata);
      if (done === true) return DONE;
    } catch (error) {
      return this.refuse(error, 'set', key);
    }
    return this.queue(
      'set',
      key,
      nothing,
      (id) => this.store.submitSet(id, key, value, expiresAt, metadata),
      false,
      handle,
    );
  }

  delete(key: string): Promise<boolean> {
    try {
      const existed = this.hot.tryDelete(key);
      if (existed !== undefined) return Promise.resolve(existed);
    } catch (error) {
      return this.refuse(error, 'delete', key);
    }
    return this.queue('delete', key, itself<boolean>, (id) => this.store.submitDelete(id, key));
  }

  batch<T>(
    operation: string,
    key: string | undefined,
    ops: string,
    report: boolean,
    decode: Decode<T>,
    handle?: CallHandle,
  ): Promise<T> {
    try {
      const result = this.store.tryBatch(ops, report);
      if (result !== undefined) return Promise.resolve(decode(result as never));
    } catch (error) {
      return this.refuse(error, operation, key);
    }
    return this.queue(operation, key, decode, (id) => this.store.submitBatch(id, ops, report), false, handle);
  }

  openView(operation: string): Promise<LeasedView> {
    const open = (view: NativeView): LeasedView => {
      const leased = new LeasedView(this, view, (closed) => this.#views?.delete(closed));
      (this.#views ??= new Set()).add(leased);
      return leased;
    };
    try {
      const view = this.store.tryView();
      if (view !== undefined) return Promise.resolve(open(view));
    } catch (error) {
      return this.refuse(error, operation, undefined);
    }
    return this.queue(operation, undefined, open, (id) => this.store.submitView(id));
  }

  stats(): Promise<string> {
    return this.queue('stats', undefined, itself<string>, (id) => this.store.submitStats(id));
  }

  compact(): Promise<void> {
    return this.queue('compact', undefined, nothing, (id) => this.store.submitCompact(id));
  }

  async verify(repair: boolean, onProgress: ((text: string) => void) | undefined, handle: CallHandle): Promise<string> {
    const progress = onProgress === undefined ? 0 : listenForProgress(onProgress);
    try {
      return await this.queue(
        'verify',
        undefined,
        itself<string>,
        (id) => this.store.submitVerify(id, repair, progress),
        false,
        handle,
      );
    } finally {
      forgetProgress(progress);
    }
  }

  #tryRead(operation: ReadOperation, argument: string): NativeValue | boolean | null | undefined {
    switch (operation) {
      case 'get':
        return this.hot.tryGet(argument);
      case 'has':
        return this.hot.tryHas(argument);
      case 'getMany':
        return this.store.tryGetMany(argument);
      case 'getEntry':
        return this.store.tryEntry(argument);
      default:
        return undefined; // keys and count walk a range, which is never done inline
    }
  }

  /** Queues a call. With `repeatable`, a failure that may pass is tried again. */
  queue<T>(
    operation: string,
    key: string | undefined,
    decode: Decode<T>,
    submit: (id: number) => void,
    repeatable = false,
    handle?: CallHandle,
  ): Promise<T> {
    const call = new QueuedCall(this, operation, key, decode);
    if (repeatable) call.repeat = submit;
    if (handle !== undefined) handle.call = call;
    this.hold();
    start(call, submit);
    this.lookout?.queued();
    return call.promise as Promise<T>;
  }

  /** Notes that something is under way, until {@link settled} says that it is over. */
  hold(): void {
    this.#underWay++;
    this.beneath?.hold();
  }

  settled(): void {
    if (--this.#underWay === 0) this.#onIdle?.();
    this.beneath?.settled();
  }

  again(call: QueuedCall, error: StorageError | StorageTypeError): boolean {
    const { retry } = this.host;
    const { repeat } = call;
    call.failures++;
    if (repeat === undefined || this.#ending || call.failures >= retry.attempts) return false;
    const delay = retryDelay(retry, call.failures);
    this.host.onRetry(call.operation, error, call.failures + 1, delay);
    setTimeout(() => {
      if (this.#ending) {
        call.abandon(error);
        this.settled();
      } else start(call, repeat);
    }, delay);
    return true;
  }

  /** A promise rejected with what the addon threw. */
  refuse(thrown: unknown, operation: string, key: string | undefined): Promise<never> {
    return Promise.reject(this.explain(thrown, operation, key));
  }

  /** What the addon threw, with the place. */
  explain(thrown: unknown, operation: string, key: string | undefined): StorageError | StorageTypeError {
    return addContext(fromNative(thrown), { engine: this.engine, operation, key });
  }

  /** Ends the views and waits for what is under way. */
  async finish(): Promise<void> {
    this.#ending = true;
    const uses = this.#uses;
    if (this.#dependents !== undefined) for (const dependent of this.#dependents) dependent.engineEnded();
    this.#endViews();
    if (this.#underWay !== 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#onIdle = undefined;
    if (this.#uses !== uses) return; // taken up again meanwhile
    // Those that were being opened.
    this.#endViews();
  }

  /** The same where nobody waits for it. */
  end(): void {
    if (this.#underWay !== 0) return void this.finish();
    this.#ending = true;
    this.#endViews();
  }

  #endViews(): void {
    if (this.#views !== undefined) for (const view of this.#views) view.end();
  }

  /** Takes up again what {@link finish} ended, for a store that was kept. */
  resume(): void {
    this.#ending = false;
    this.#uses++;
  }

  /** Gives the store back. Nothing may be called afterwards. */
  giveBack(): Promise<void> {
    return this.queue('disconnect', undefined, nothing, (id) => this.store.submitClose(id));
  }
}

function start(call: QueuedCall, submit: (id: number) => void): void {
  const id = call.enter();
  try {
    submit(id);
  } catch (error) {
    call.leave();
    call.fail(error);
  }
}

// What goes to a server, or to JavaScript, is never short.
function lookoutFor(store: NativeStore): Lookout | undefined {
  const { sync } = JSON.parse(store.capabilities) as { sync: boolean };
  return sync ? new Lookout() : undefined;
}

/** The promise of a call that is over and gives nothing. */
export const DONE: Promise<void> = Promise.resolve();

function itself<T>(result: T): T {
  return result;
}

function nothing(): void {}
