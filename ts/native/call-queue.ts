import { refused } from '../answers.js';
import { fromNative } from '../errors/from-native.js';
import { addContext } from '../errors/storage-error.js';
import type { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { setTimeout } from '../timers.js';
import { retryDelay } from '../retry.js';
import type { RetryPolicy } from '../retry.js';
import { QueuedCall } from './calls.js';
import type { Caller } from './calls.js';
import type { Decode } from './results.js';
import type { SpinWait } from './spin-wait.js';

/** The part of an engine that its leases need. */
export interface LeaseHost {
  readonly engine: string;
  readonly retry: RetryPolicy;
  /** A call is made again. */
  onRetry(operation: string, error: StorageError | StorageTypeError, attempt: number, delay: number): void;
  /** The error of a call that comes after the end of the lease. */
  gone(operation: string): StorageError;
}

/** Lets a caller give up a call that it started, wherever that call has got to. */
export interface CallHandle {
  call?: QueuedCall;
  abandoned?: unknown;
  /** Lets the addon end the call soon, where it can. */
  abort?: () => void;
}

/** Rejects the call that was started with `handle`. The addon may still carry it out, but nobody hears of it. */
export function cancelCall(handle: CallHandle, error: Error): void {
  handle.abandoned = error;
  const { call } = handle;
  handle.abort?.();
  call?.abandon(error);
}

/** Queues calls to the addon, makes failed reads again, and counts the calls under way. */
export abstract class CallQueue implements Caller {
  protected isEnding = false;
  #underWay = 0;
  #onIdle: (() => void) | undefined;

  /** @param beneath - A queue that is held together with this one. */
  constructor(
    readonly host: LeaseHost,
    readonly spinWait: SpinWait | undefined,
    private readonly beneath: CallQueue | undefined,
  ) {}

  get engine(): string {
    return this.host.engine;
  }

  /** Whether calls are under way. */
  get busy(): boolean {
    return this.#underWay !== 0;
  }

  /** Queues a call. With `repeatable`, it is made again after a failure that may pass. */
  queue<T>(
    operation: string,
    key: string | undefined,
    decode: Decode<T>,
    submit: (id: number) => void,
    repeatable = false,
    handle?: CallHandle,
  ): Promise<T> {
    const promise = this.queueLong(operation, key, decode, submit, repeatable, handle);
    this.spinWait?.queued();
    return promise;
  }

  /** Queues a call that may take long. Nothing looks for its end without sleeping. */
  queueLong<T>(
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
    if (repeat === undefined || this.isEnding || call.failures >= retry.attempts) return false;
    const delay = retryDelay(retry, call.failures);
    this.host.onRetry(call.operation, error, call.failures + 1, delay);
    setTimeout(() => {
      if (this.isEnding) {
        call.abandon(error);
        this.settled();
      } else start(call, repeat);
    }, delay);
    return true;
  }

  /** A promise that is rejected with the error of what the addon threw. */
  refuse(thrown: unknown, operation: string, key: string | undefined): Promise<never> {
    return refused(this.explain(thrown, operation, key));
  }

  /** The error of what the addon threw, with where it arose. */
  explain(thrown: unknown, operation: string, key: string | undefined): StorageError | StorageTypeError {
    return addContext(fromNative(thrown), { engine: this.engine, operation, key });
  }

  /** Waits until no call is under way. Called only while one is. */
  protected async idle(): Promise<void> {
    await new Promise<void>((resolve) => (this.#onIdle = resolve));
    this.#onIdle = undefined;
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
