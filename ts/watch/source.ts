import { clearInterval, setInterval } from '../timers.js';
import { abortError, whenAborted } from '../abort.js';
import type { CheckedOptions } from './options.js';
import type { WatchEvent } from './types.js';

// The longest delay that Node takes.
const FOREVER = 2 ** 31 - 1;

// The most commits that are taken at once.
const PAGE_COMMITS = 64;

/**
 * The source of the events of one watch. The iterator refers to it, and it does not refer to the iterator, so that an
 * iterator without other references is collected.
 */
export abstract class WatchSource<T> {
  readonly ready: Promise<void>;
  /** The error that ended the watch; null if its user ended it; undefined while it is open. */
  #end: Error | null | undefined;
  #endedWithEngine = false;
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
    // next() rejects too, so a user who does not wait for `ready` misses nothing.
    this.ready.catch(() => {});
  }

  /** Keeps the process alive, to the end or, if not persistent, until the watch has begun. Listens to the signal. */
  protected open({ persistent, signal }: CheckedOptions): void {
    this.#persistent = persistent;
    this.#alive = setInterval(() => {}, FOREVER);
    if (signal === undefined) return;
    const abort = (): void => this.end(abortError(signal, this.engine, 'watch'));
    if (signal.aborted) abort();
    else this.#forgetSignal = whenAborted(signal, abort);
  }

  /** The watch tells everything that is committed from now on. */
  protected begun(): void {
    if (!this.#persistent) clearInterval(this.#alive);
    this.#begin();
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Whether the watch ended because the application closed or disconnected its engine. */
  get endedWithEngine(): boolean {
    return this.#endedWithEngine;
  }

  /** The error that ended the watch, if there is one: nothing more may be handed out. */
  fault(): Error | undefined {
    return this.#end ?? undefined;
  }

  /**
   * The events of the next commits, whole ones, at least one and at most `commits`; none if the user ended the watch.
   * Rejects with the error that ended it.
   */
  async page(commits: number = PAGE_COMMITS): Promise<WatchEvent<T>[]> {
    for (;;) {
      if (this.#end !== undefined) {
        if (this.#end === null) return [];
        throw this.#end;
      }
      const events = await this.take(commits);
      if (events !== undefined) return events;
    }
  }

  /** Takes the events of at most `commits` commits that are there; undefined: call again. */
  protected abstract take(commits: number): Promise<WatchEvent<T>[] | undefined>;

  /** Waits until there may be events to take. */
  protected wait(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  protected wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Ends the watch with an error, at once. */
  end(error: Error): void {
    this.#finish(error);
  }

  /** Ends the watch, because the application closes or disconnects its engine. */
  endWithEngine(error: Error): void {
    this.#endedWithEngine = !this.isOver;
    this.#finish(error);
  }

  /** Ends the watch for its user. */
  close(): void {
    this.#finish(null);
  }

  /** Frees what the source holds. It is called once. */
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
