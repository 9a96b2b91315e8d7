import { abortable } from '../../abort.js';
import { pause, refused } from '../../answers.js';
import { signalOf } from '../../arguments/shapes.js';
import { rejection } from '../../errors/rejection.js';
import { withCaller } from '../../errors/stack.js';
import type { StorageError } from '../../errors/storage-error.js';
import type { AbortOptions } from '../../types.js';
import type { CustomFeed } from '../../watch/custom-feed.js';
import type { CallOrder } from './call-order.js';

/** The part of its wrapper that running the calls of a custom engine needs. */
export interface RunnerOwner {
  readonly name: string;
  readonly isClosed: boolean;
  readonly isReady: boolean;
  connect(): Promise<void>;
  closedError(operation: string): StorageError;
}

/** Runs the calls of a custom engine, each once the engine is connected and the calls made before are over. */
export class CallRunner {
  readonly #owner: RunnerOwner;
  readonly #order: CallOrder;
  readonly #feed: CustomFeed;

  constructor(owner: RunnerOwner, order: CallOrder, feed: CustomFeed) {
    this.#owner = owner;
    this.#order = order;
    this.#feed = feed;
  }

  /** Checks the arguments at once, and runs the call in its turn. */
  run<A, T>(operation: string, check: () => A, call: (checked: A) => Promise<T>, options?: AbortOptions): Promise<T> {
    let checked: A;
    let signal: AbortSignal | undefined;
    try {
      checked = check();
      signal = options?.signal; // an accessor of the caller's may throw
    } catch (error) {
      return this.reject(error, operation);
    }
    let dropped = false;
    const start = (): Promise<T> => this.enqueue(operation, () => (dropped ? (undefined as never) : call(checked)));
    return abortable(signal, this.#owner.name, operation, start, () => (dropped = true));
  }

  /** The same for a call whose options are no more than a signal. */
  read<A, T>(operation: string, check: () => A, call: (checked: A) => Promise<T>, options?: AbortOptions): Promise<T> {
    const checkAll = (): A => {
      const checked = check();
      signalOf(operation, options);
      return checked;
    };
    return this.run(operation, checkAll, call, options);
  }

  /** Runs a call in its turn, unless `signal` fires before. */
  queue<T>(operation: string, signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    return this.run(operation, () => undefined, call, signal && { signal });
  }

  /** Runs a call in its turn. */
  enqueue<T>(operation: string, call: () => Promise<T>): Promise<T> {
    const owner = this.#owner;
    if (owner.isClosed) return refused(owner.closedError(operation));
    const connected = owner.isReady ? undefined : owner.connect();
    connected?.catch(() => {}); // the call itself rejects with it in its turn
    const result = this.#order
      .run(async () => {
        await connected;
        const turn = pause();
        if (turn !== undefined) await turn;
        return call();
      })
      .finally(() => this.#feed.flush());
    return result.catch((error: unknown) => this.reject(withCaller(error), operation));
  }

  reject(error: unknown, operation: string): Promise<never> {
    return rejection(error, { engine: this.#owner.name, operation });
  }
}
