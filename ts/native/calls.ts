import { fromNative } from '../errors/from-native.js';
import { rejectedLater } from '../errors/stack.js';
import { callListener } from '../errors/uncaught.js';
import { addContext, isStorageError } from '../errors/storage-error.js';
import type { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { anchor } from './v8-anchors.js';

/** The sender of calls. */
export interface Caller {
  readonly engine: string;
  /** One of its calls is over. */
  settled(): void;
  /** Whether `call` will be made again after `error`. If so, the call is not over. */
  again(call: QueuedCall, error: StorageError | StorageTypeError): boolean;
}

/** A queued call to the addon that is not settled yet. */
export class QueuedCall {
  readonly promise: Promise<unknown>;
  /** Its id while it is under way, else 0. */
  id = 0;
  /** How many times it failed. */
  failures = 0;
  /** Makes the same call again under a new id. Only reads have it. */
  repeat: ((id: number) => void) | undefined;
  #resolve!: (value: unknown) => void;
  #isAbandoned = false;

  constructor(
    readonly caller: Caller,
    readonly operation: string,
    readonly key: string | undefined,
    readonly decode: (result: never) => unknown,
  ) {
    this.promise = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Takes an id, under which the addon will settle the call. */
  enter(): number {
    const id = free.pop() ?? receivers.length;
    receivers[id] = this;
    underWay++;
    return (this.id = id);
  }

  /** Gives the id back: the addon never took it, or has settled it. */
  leave(): void {
    if (this.id !== 0) underWay--;
    release(this.id);
    this.id = 0;
  }

  succeed(result: unknown): void {
    try {
      this.#resolve(this.decode(result as never));
    } catch (error) {
      this.abandon(isStorageError(error) ? addContext(error, contextOf(this)) : error);
    }
    this.caller.settled();
  }

  fail(thrown: unknown): void {
    const error = addContext(fromNative(thrown), contextOf(this));
    if (error.retryable && this.repeat !== undefined && this.caller.again(this, error)) return;
    this.abandon(error);
    this.caller.settled();
  }

  /** Rejects at once. The id stays taken until the addon settles it. */
  abandon(error: unknown): void {
    if (this.#isAbandoned) return;
    this.#isAbandoned = true;
    this.#resolve(rejectedLater(error));
  }
}

anchor(new QueuedCall({ engine: '', settled() {}, again: () => false }, '', undefined, () => undefined));

type Receiver = QueuedCall | ((text: string) => void) | undefined;

// By id. Ids start at 1: the addon reports a failure under the negative id.
const receivers: Receiver[] = [undefined];
const free: number[] = [];

let underWay = 0;

/** Whether exactly one call is under way. */
export function isAlone(): boolean {
  return underWay === 1;
}

/** Takes an id for progress events. Give it back with {@link forgetProgress} once the call is over. */
export function listenForProgress(listener: (text: string) => void): number {
  const id = free.pop() ?? receivers.length;
  receivers[id] = listener;
  return id;
}

/** Takes an id for progress events that the addon ends by itself, with an empty text. The id is free from then on. */
export function listenUntilOver(listener: (text: string) => void): number {
  const id: number = listenForProgress((text) => (text === '' ? forgetProgress(id) : listener(text)));
  return id;
}

/** Queues a call that tells its progress. If the addon does not take the call, it will not use the id. */
export function submitWithProgress(progress: number, submit: () => void): void {
  try {
    submit();
  } catch (error) {
    forgetProgress(progress);
    throw error;
  }
}

export function forgetProgress(id: number): void {
  release(id);
}

/** The addon calls this with the calls that are done. It never throws, as nobody above could handle that. */
export function settle(ids: number[], results: unknown[]): void {
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index];
    const failed = id < 0;
    const receiver = receivers[failed ? -id : id];
    if (receiver === undefined) continue;
    if (typeof receiver === 'function') {
      callListener(receiver, String(results[index]));
      continue;
    }
    receiver.leave();
    if (failed) receiver.fail(results[index]);
    else receiver.succeed(results[index]);
  }
}

function release(id: number): void {
  if (id === 0) return;
  receivers[id] = undefined;
  free.push(id);
}

function contextOf({ caller, operation, key }: QueuedCall): {
  engine: string;
  operation: string;
  key: string | undefined;
} {
  return { engine: caller.engine, operation, key };
}
