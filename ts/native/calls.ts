import { fromNative } from '../errors/from-native.js';
import { addContext, isStorageError } from '../errors/storage-error.js';
import type { StorageError, StorageTypeError } from '../errors/storage-error.js';

/** Who makes calls: told when one of its calls is over, and asked whether a failed read is made again. */
export interface Caller {
  readonly engine: string;
  /** A call is over. */
  settled(): void;
  /** Whether `call` will be made again after `error`; if so, it is no longer the sender's business. */
  again(call: QueuedCall, error: StorageError | StorageTypeError): boolean;
}

/** A queued call of the addon that has not been settled. */
export class QueuedCall {
  readonly promise: Promise<unknown>;
  /** Its id while it is under way, else 0. */
  id = 0;
  /** How often it failed. */
  failures = 0;
  /** Makes the same call again under a new id. Only for reads. */
  repeat: ((id: number) => void) | undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(
    readonly caller: Caller,
    readonly operation: string,
    readonly key: string | undefined,
    readonly decode: (result: never) => unknown,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Takes an id, under which the addon will settle it. */
  enter(): number {
    const id = free.pop() ?? calls.length;
    calls[id] = this;
    underWay++;
    return (this.id = id);
  }

  /** Gives the id back: the addon never took it, or is done with it. */
  leave(): void {
    if (this.id !== 0) underWay--;
    release(this.id);
    this.id = 0;
  }

  succeed(result: unknown): void {
    try {
      this.#resolve(this.decode(result as never));
    } catch (error) {
      this.#reject(inContext(error, this));
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
    this.#reject(error);
  }
}

// V8 gives up the hidden class of objects of which none is left at a full garbage collection, and all code optimised for it: one is left.
const REMAINS = new QueuedCall({ engine: '', settled() {}, again: () => false }, '', undefined, () => undefined);

type Receiver = QueuedCall | ((text: string) => void) | undefined;

// Nothing is sent under index 0: ids start at 1, so that a failed one differs from it by its sign.
const calls: Receiver[] = [REMAINS];
const free: number[] = [];

let underWay = 0;

/** Whether one call is under way and no more. */
export function isAlone(): boolean {
  return underWay === 1;
}

function release(id: number): void {
  if (id === 0) return;
  calls[id] = undefined;
  free.push(id);
}

/** An id for progress events. Give it back with {@link forgetProgress} once the call is over. */
export function listenForProgress(listener: (text: string) => void): number {
  const id = free.pop() ?? calls.length;
  calls[id] = listener;
  return id;
}

export function forgetProgress(id: number): void {
  release(id);
}

/** What the addon calls with whatever is done. It never throws: nobody above could handle it. */
export function settle(ids: number[], results: unknown[]): void {
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index];
    const failed = id < 0;
    const receiver = calls[failed ? -id : id];
    if (receiver === undefined) continue;
    if (typeof receiver === 'function') {
      receiver(String(results[index]));
      continue;
    }
    receiver.leave();
    if (failed) receiver.fail(results[index]);
    else receiver.succeed(results[index]);
  }
}

interface Place {
  readonly caller: Caller;
  readonly operation: string;
  readonly key: string | undefined;
}

function contextOf({ caller, operation, key }: Place): { engine: string; operation: string; key: string | undefined } {
  return { engine: caller.engine, operation, key };
}

function inContext(error: unknown, place: Place): unknown {
  return isStorageError(error) ? addContext(error, contextOf(place)) : error;
}
