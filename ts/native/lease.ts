import { answered, done } from '../answers.js';
import { tick } from '../clock.js';
import { CallQueue } from './call-queue.js';
import type { CallHandle, LeaseHost } from './call-queue.js';
import { VERBS } from './interface.js';
import { listenUntilOver, submitWithProgress } from './calls.js';
import type { NativeDataCalls, NativeHotCalls, NativeModelCall, NativeValue, NativeView } from './interface.js';
import { ModelCall } from './model-call.js';
import type { ModelCallOptions } from './model-call.js';
import { itself, nothing } from './results.js';
import type { Decode } from './results.js';
import type { SpinWait } from './spin-wait.js';
import { LeasedView, keyOf } from './view.js';
import type { ReadOperation } from './view.js';

/** The calls of data of a store or slot. The hot calls are read once, because the addon makes them anew each time. */
export interface DataHandle {
  readonly store: NativeDataCalls;
  readonly hot: NativeHotCalls;
}

/** Something that ends when the use of a store ends. */
export interface Dependent {
  engineEnded(): void;
}

/**
 * The calls of data and of models on a store or in a slot, and the views and streams that they opened.
 * {@link StoreLease} is the use of an open store, a branch of a transaction has a lease over it.
 */
export class Lease extends CallQueue {
  readonly #handle: DataHandle;
  // Made when they are needed: each transaction has a lease of its own.
  #open: Set<LeasedView | ModelCall> | undefined;
  #dependents: Set<Dependent> | undefined;
  #uses = 1;

  /** @param beneath - A lease that stays held while this one has calls under way. */
  constructor(handle: DataHandle, host: LeaseHost, spinWait: SpinWait | undefined, beneath?: Lease) {
    super(host, spinWait, beneath);
    this.#handle = handle;
  }

  /**
   * The store, for one call to it. Every call to the addon takes the store from here, and takes it anew each time: a
   * subclass overrides this method to do what has to come before every call.
   */
  call(): DataHandle {
    tick();
    return this.#handle;
  }

  /** Which use of the store this is; 0 once it ends. */
  get use(): number {
    return this.isEnding ? 0 : this.#uses;
  }

  /** Tells `dependent` when this use of the store ends, before it waits for the calls under way. */
  addDependent(dependent: Dependent): void {
    (this.#dependents ??= new Set()).add(dependent);
  }

  removeDependent(dependent: Dependent): void {
    this.#dependents?.delete(dependent);
  }

  /** The value of a key, if the store has it at once; undefined: call {@link queueGet}. */
  tryGet(key: string): NativeValue | null | undefined {
    return this.call().hot.tryGet(key);
  }

  /** Gets a key that {@link tryGet} did not get. */
  queueGet<T>(key: string, decode: Decode<T>): Promise<T> {
    const { store } = this.call();
    return this.queue('get', key, decode, (id) => store.submitCall(id, VERBS.get, key), true);
  }

  /** Reads inline if the store can, else queued. */
  read<T>(operation: ReadOperation, argument: string, decode: Decode<T>, handle?: CallHandle): Promise<T> {
    const data = this.call();
    try {
      const found = tryRead(data, operation, argument);
      if (found !== undefined) return answered(decode(found as never));
    } catch (error) {
      return this.refuse(error, operation, keyOf(operation, argument));
    }
    const { store } = data;
    return this.queue(
      operation,
      keyOf(operation, argument),
      decode,
      (id) => store.submitCall(id, VERBS[operation], argument),
      true,
      handle,
    );
  }

  set(key: string, value: NativeValue, expiresAt?: number, metadata?: string, handle?: CallHandle): Promise<void> {
    const { hot, store } = this.call();
    try {
      const plain = expiresAt === undefined && metadata === undefined;
      const isSet = plain ? hot.trySet(key, value) : hot.trySet(key, value, expiresAt, metadata);
      if (isSet === true) return done();
    } catch (error) {
      return this.refuse(error, 'set', key);
    }
    return this.queue('set', key, nothing, (id) => store.submitSet(id, key, value, expiresAt, metadata), false, handle);
  }

  delete(key: string): Promise<boolean> {
    const { hot, store } = this.call();
    try {
      const existed = hot.tryDelete(key);
      if (existed !== undefined) return answered(existed);
    } catch (error) {
      return this.refuse(error, 'delete', key);
    }
    return this.queue('delete', key, itself<boolean>, (id) => store.submitCall(id, VERBS.delete, key));
  }

  batch<T>(
    operation: string,
    key: string | undefined,
    ops: string,
    report: boolean,
    decode: Decode<T>,
    handle?: CallHandle,
  ): Promise<T> {
    const { store } = this.call();
    const verb = report ? VERBS.batch : VERBS.write;
    try {
      const result = store.tryCall(verb, ops);
      if (result !== undefined) return answered(decode(result as never));
    } catch (error) {
      return this.refuse(error, operation, key);
    }
    return this.queue(operation, key, decode, (id) => store.submitCall(id, verb, ops), false, handle);
  }

  openView(operation: string): Promise<LeasedView> {
    const { store } = this.call();
    const open = (view: NativeView): LeasedView => {
      const leased = new LeasedView(this, view, (closed) => this.#open?.delete(closed));
      (this.#open ??= new Set()).add(leased);
      return leased;
    };
    try {
      const view = store.tryView();
      if (view !== undefined) return answered(open(view));
    } catch (error) {
      return this.refuse(error, operation, undefined);
    }
    return this.queue(operation, undefined, open, (id) => store.submitView(id));
  }

  /** Starts a call of a model. Its answer is a text, or a stream. */
  model(
    operation: string,
    request: string,
    { signal, onProgress }: ModelCallOptions = {},
    handle: CallHandle = {},
  ): Promise<string | ModelCall> {
    const { store } = this.call();
    const progress = onProgress === undefined ? 0 : listenUntilOver(onProgress);
    const open = (answer: string | NativeModelCall): string | ModelCall => {
      if (typeof answer === 'string') return answer;
      const call = new ModelCall(this, answer, operation, signal, (closed) => this.#open?.delete(closed));
      (this.#open ??= new Set()).add(call);
      // Nobody waits for it any more.
      if (handle.abandoned !== undefined) void call.close();
      return call;
    };
    const submit = (id: number): void => {
      // Once the call has answered, its id may be that of another one.
      handle.abort = () => handle.call?.id === id && store.abortModel(id);
      submitWithProgress(progress, () => store.submitModel(id, request, progress));
    };
    return this.queueLong(operation, undefined, open, submit, false, handle);
  }

  /** Ends the views and streams, and waits for the calls under way. */
  async finish(): Promise<void> {
    this.isEnding = true;
    const uses = this.#uses;
    if (this.#dependents !== undefined) for (const dependent of this.#dependents) dependent.engineEnded();
    this.#endOpen();
    if (this.busy) await this.idle();
    if (this.#uses !== uses) return; // resumed meanwhile
    // Those that were being opened.
    this.#endOpen();
  }

  /** Does the same where nobody waits for it. */
  end(): void {
    if (this.busy) return void this.finish();
    this.isEnding = true;
    this.#endOpen();
  }

  /** Resumes, for a store that was kept, what {@link finish} ended. */
  resume(): void {
    this.isEnding = false;
    this.#uses++;
  }

  #endOpen(): void {
    if (this.#open !== undefined) for (const open of this.#open) open.end();
  }
}

function tryRead(
  { store, hot }: DataHandle,
  operation: ReadOperation,
  argument: string,
): NativeValue | boolean | number | null | undefined {
  switch (operation) {
    case 'get':
      return hot.tryGet(argument);
    case 'has':
      return hot.tryHas(argument);
    case 'getMany':
    case 'getEntry':
      return store.tryCall(VERBS[operation], argument);
    default:
      return undefined; // keys and count walk a range, which is never done inline
  }
}
