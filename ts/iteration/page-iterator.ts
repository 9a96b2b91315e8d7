import { abortError, abortable } from '../abort.js';
import { answered, refused } from '../answers.js';
import { rejection } from '../errors/rejection.js';
import { takeItems } from '../internal.js';
import type { StorageIterator } from '../types.js';

/** A page of an iteration. */
export interface IteratorPage<T> {
  readonly items: T[];
  /** Where the next page starts; null: this is the last page. */
  readonly next: string | null;
}

/** The pages that an iterator reads. */
export interface PageSource<T> {
  page(after: string | null, maxBytes: number): Promise<IteratorPage<T>>;
  /** Frees what the source holds. Called once. */
  close(): void;
  /** The error of `next()` if nothing more may be handed out, because the store was disconnected. */
  fault?(): Error | undefined;
}

/** The signal that ends an iteration, and where the iteration is. */
export interface IteratorAbort {
  readonly signal: AbortSignal;
  readonly engine: string | undefined;
  readonly operation: string;
}

// The first page is small, so that a loop that is left early costs little. The others are large, so that there are few.
const FIRST_PAGE_BYTES = 32 << 10;
const PAGE_BYTES = 256 << 10;

/**
 * An iterator over pages. It opens the source at the first `next()`, and loads the next page while one is consumed. It
 * closes the source at the end, at an error and at an early return.
 */
export class PageIterator<T> implements StorageIterator<T> {
  readonly #openSource: () => Promise<PageSource<T>>;
  #source: PageSource<T> | undefined;
  #isOpen = false;
  #left: number;
  #items: T[] = [];
  #index = 0;
  #done = false;
  /** Nothing more is handed out. */
  #isOver = false;
  readonly #abort: IteratorAbort | undefined;
  /** The load of a page that calls of `next` wait for. */
  #loading: Promise<void> | undefined;
  /** The page after the current one, which is being loaded. */
  #ahead: Promise<IteratorPage<T>> | undefined;

  /** @param limit - The most items. */
  constructor(open: () => Promise<PageSource<T>>, limit: number = Infinity, abort?: IteratorAbort) {
    this.#openSource = open;
    this.#left = limit;
    this.#abort = abort;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const abort = this.#abort;
    if (abort?.signal.aborted === true && !this.#isOver) {
      this.#finish();
      return refused(abortError(abort.signal, abort.engine, abort.operation));
    }
    if (this.#loading === undefined) {
      if (this.#index < this.#items.length && this.#left > 0) {
        const fault = this.#source!.fault?.();
        if (fault !== undefined) {
          this.#finish();
          return refused(fault);
        }
        this.#left--;
        return answered({ done: false, value: this.#items[this.#index++] });
      }
      if (this.#done) return Promise.resolve({ done: true, value: undefined });
      if (this.#left <= 0) return this.return();
      this.#loading = this.#loadUnlessAborted().finally(() => (this.#loading = undefined));
    }
    // Calls that wait go on in the order in which they were made.
    return this.#loading.then(() => this.next());
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#finish();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#finish();
    return rejection(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish();
  }

  /** The first item comes from `next()`, which loads a page if one is needed. The others are at hand. */
  async [takeItems](max: number): Promise<T[]> {
    const { done, value } = await this.next();
    if (done === true) return [];
    const from = this.#index;
    this.#index = Math.min(this.#items.length, from + Math.min(max - 1, this.#left));
    this.#left -= this.#index - from;
    return [value, ...this.#items.slice(from, this.#index)];
  }

  #loadUnlessAborted(): Promise<void> {
    const abort = this.#abort;
    if (abort === undefined) return this.#load();
    return abortable(
      abort.signal,
      abort.engine,
      abort.operation,
      () => this.#load(),
      () => this.#finish(),
    );
  }

  async #load(): Promise<void> {
    try {
      let page;
      if (this.#ahead !== undefined) {
        page = await this.#ahead;
      } else {
        const source = await this.#openSource();
        if (this.#done) return source.close(); // the iterator was left while the source was being opened
        this.#source = source;
        this.#isOpen = true;
        page = await source.page(null, FIRST_PAGE_BYTES);
      }
      if (this.#done) return;
      this.#items = page.items;
      this.#index = 0;
      this.#ahead = undefined;
      if (page.next === null || page.items.length >= this.#left) {
        this.#release();
      } else {
        this.#ahead = this.#source!.page(page.next, PAGE_BYTES);
        // next() rejects with the page's error. If nobody calls it, the error does not matter.
        this.#ahead.catch(() => {});
      }
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  /** Closes the source. The items at hand are still handed out. */
  #release(): void {
    this.#done = true;
    this.#ahead = undefined;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#source!.close();
  }

  #finish(): void {
    this.#isOver = true;
    this.#release();
    this.#items = [];
    this.#index = 0;
  }
}
