import { abortError, whenAborted } from '../abort.js';
import type { CheckedOptions } from './options.js';
import type { WatchEvent } from './types.js';

// Node takes no longer delay.
const FOREVER = 2 ** 31 - 1;

/**
 * Where the events of one watch come from. Its iterator holds it, and it does not hold the iterator, so that an iterator that
 * nobody has any more can be collected.
 */
export abstract class WatchSource<T> {
  readonly ready: Promise<void>;
  /** Why the watch is over; null if whoever watches has ended it. */
  #end: Error | null | undefined;
  #begin!: () => void;
  #fail!: (error: Error) => void;
  #wake: (() => void) | undefined;
  #alive: NodeJS.Timeout | undefined;
  #persistent = true;
  #forgetSignal: (() => void) | undefined;

  constructor(readonly engine: string) {
    this.ready = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    // Whoever waits for it hears of a failure; whoever does not hears of it from next().
    this.ready.catch(() => {});
  }

  /** Keeps the process alive, until it has begun or to the end, and listens to the signal. */
  protected open({ persistent, signal }: CheckedOptions): void {
    this.#persistent = persistent;
    this.#alive = setInterval(() => {}, FOREVER);
    if (signal === undefined) return;
    const abort = (): void => this.end(abortError(signal, this.engine, 'watch'));
    if (signal.aborted) abort();
    else this.#forgetSignal = whenAborted(signal, abort);
  }

  /** Everything committed from now on is told. */
  protected begun(): void {
    if (!this.#persistent) clearInterval(this.#alive);
    this.#begin();
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Why nothing more may be handed out, if that is so. */
  fault(): Error | undefined {
    return this.#end ?? undefined;
  }

  /** The next events, at least one; none if whoever watches has ended it. Rejects with why it is over. */
  async page(): Promise<WatchEvent<T>[]> {
    for (;;) {
      if (this.#end !== undefined) {
        if (this.#end === null) return [];
        throw this.#end;
      }
      const events = await this.take();
      if (events !== undefined) return events;
    }
  }

  /** What there is; undefined: look again. */
  protected abstract take(): Promise<WatchEvent<T>[] | undefined>;

  /** Waits until there may be something to take. */
  protected wait(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  protected wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Ends the watch for `error`, at once. */
  end(error: Error): void {
    this.#finish(error);
  }

  /** Ends the watch for whoever watches. */
  close(): void {
    this.#finish(null);
  }

  /** Frees what the source holds. Called once. */
  protected abstract release(): void;

  #finish(end: Error | null): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearInterval(this.#alive);
    this.#forgetSignal?.();
    this.release();
    if (end === null) this.#begin();
    else this.#fail(end);
    this.wake();
  }
}

/** The source of a watch that never began. */
export class FailedSource<T> extends WatchSource<T> {
  constructor(error: Error) {
    super('');
    this.end(error);
  }

  protected override take(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  protected override release(): void {}
}
