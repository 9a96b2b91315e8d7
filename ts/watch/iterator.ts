import { answered } from '../answers.js';
import { rejection } from '../errors/rejection.js';
import { withCaller } from '../errors/stack.js';
import { FailedSource } from './source.js';
import type { WatchSource } from './source.js';
import type { WatchEvent, WatchIterator } from './types.js';

// An iterator that is garbage ends its watch.
const lost = new FinalizationRegistry<WatchSource<unknown>>((source) => source.close());

/** The events of a source, one at a time. */
export class EventIterator<T> implements WatchIterator<T> {
  readonly #source: WatchSource<T>;
  #events: WatchEvent<T>[] = [];
  #index = 0;
  #done = false;
  #inLoop = false;
  /** The load of events that calls of `next` wait for. */
  #loading: Promise<void> | undefined;

  constructor(source: WatchSource<T>) {
    this.#source = source;
    lost.register(this, source, this);
  }

  get ready(): Promise<void> {
    return this.#source.ready;
  }

  next(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    if (this.#loading === undefined) {
      if (this.#done) return Promise.resolve({ done: true, value: undefined });
      const fault = this.#source.fault();
      if (fault !== undefined) {
        this.#finish();
        return this.#endsLoop() ? this.next() : rejection(withCaller(fault));
      }
      if (this.#index < this.#events.length) return answered({ done: false, value: this.#events[this.#index++] });
      this.#loading = this.#load().finally(() => (this.#loading = undefined));
    }
    // Calls that wait go on in the order in which they were made.
    return this.#loading.then(() => this.next());
  }

  return(): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error?: unknown): Promise<IteratorResult<WatchEvent<T>, undefined>> {
    this.#finish();
    return rejection(error);
  }

  [Symbol.asyncIterator](): this {
    this.#inLoop = true;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish();
  }

  async #load(): Promise<void> {
    try {
      this.#events = await this.#source.page();
      this.#index = 0;
    } catch (error) {
      this.#finish();
      if (!this.#endsLoop()) throw withCaller(error);
    }
  }

  /** Whether the watch has ended as a loop over it should end: the application closed its engine. */
  #endsLoop(): boolean {
    return this.#inLoop && this.#source.endedWithEngine;
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#events = [];
    lost.unregister(this);
    this.#source.close();
  }
}

/** The iterator of the watch that `open` opens. If `open` throws, `next()` rejects with the error. */
export function watching<T>(open: () => WatchSource<T>): WatchIterator<T> {
  let source;
  try {
    source = open();
  } catch (error) {
    source = new FailedSource<T>(error as Error);
  }
  return new EventIterator(source);
}
