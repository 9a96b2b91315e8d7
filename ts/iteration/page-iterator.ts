import { rejection } from '../errors/rejection.js';
import { takeItems } from '../internal.js';
import type { StorageIterator } from '../types.js';

/** A part of an iteration. */
export interface IteratorPage<T> {
  readonly items: T[];
  /** Where the next page starts; null: this was the last. */
  readonly next: string | null;
}

/** What an iterator reads from, opened at the first `next()`. */
export interface PageSource<T> {
  page(after: string | null, maxBytes: number): Promise<IteratorPage<T>>;
  /** Frees what the source holds. Called once. */
  close(): void;
  /** Why nothing more may be handed out, if that is so: the store has gone. */
  fault?(): Error | undefined;
}

// Small, so that a loop that is left early costs little; then large, so that crossings cost nothing.
const FIRST_PAGE_BYTES = 32 << 10;
const PAGE_BYTES = 256 << 10;

/**
 * An iterator over pages. While one page is consumed the next is under way; at the end, at an error and at an early
 * return the source is closed.
 */
export class PageIterator<T> implements StorageIterator<T> {
  readonly #openSource: () => Promise<PageSource<T>>;
  #source: PageSource<T> | undefined;
  #isOpen = false;
  #left: number;
  #items: T[] = [];
  #index = 0;
  #done = false;
  /** The load that calls of `next` wait for. */
  #loading: Promise<void> | undefined;
  /** The page after the current one, on its way. */
  #ahead: Promise<IteratorPage<T>> | undefined;

  /** @param limit - How many items there are at most. */
  constructor(open: () => Promise<PageSource<T>>, limit: number = Infinity) {
    this.#openSource = open;
    this.#left = limit;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#loading === undefined) {
      if (this.#index < this.#items.length && this.#left > 0) {
        const fault = this.#source!.fault?.();
        if (fault !== undefined) {
          this.#finish();
          return Promise.reject(fault);
        }
        this.#left--;
        return Promise.resolve({ done: false, value: this.#items[this.#index++] });
      }
      if (this.#done) return Promise.resolve({ done: true, value: undefined });
      if (this.#left <= 0) return this.return();
      this.#loading = this.#load().finally(() => (this.#loading = undefined));
    }
    // Calls that wait come to their turn in the order they were made.
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

  async #load(): Promise<void> {
    try {
      let page;
      if (this.#ahead !== undefined) {
        page = await this.#ahead;
      } else {
        const source = await this.#openSource();
        if (this.#done) return source.close(); // left while it was being opened
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
        // Whoever asks for the page gets its error; if nobody does, it does not matter.
        this.#ahead.catch(() => {});
      }
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  /** Nothing more will be read; what is at hand is still handed out. */
  #release(): void {
    this.#done = true;
    this.#ahead = undefined;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#source!.close();
  }

  #finish(): void {
    this.#release();
    this.#items = [];
    this.#index = 0;
  }
}
