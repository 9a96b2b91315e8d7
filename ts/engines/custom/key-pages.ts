import type { IteratorPage, PageSource } from '../../iteration/page-iterator.js';
import type { PageContent } from '../../native/interface.js';
import type { CallRunner } from './call-runner.js';
import type { EngineCalls } from './engine-calls.js';

const PAGE_KEYS = 64;

/** Pages of keys that were listed already. Keys that were deleted meanwhile are left out. */
export class KeyPages<T> implements PageSource<T> {
  readonly #calls: EngineCalls;
  readonly #runner: CallRunner;
  readonly #keys: readonly string[];
  readonly #what: PageContent;
  readonly #strip: number;
  #at = 0;

  /**
   * @param strip - How many units of each key are left out: the length of a store's prefix.
   * @param fault - Why nothing more may be handed out, if that is so.
   */
  constructor(
    calls: EngineCalls,
    runner: CallRunner,
    keys: readonly string[],
    what: PageContent,
    strip: number,
    readonly fault: () => Error | undefined,
  ) {
    this.#calls = calls;
    this.#runner = runner;
    this.#keys = keys;
    this.#what = what;
    this.#strip = strip;
  }

  page(): Promise<IteratorPage<T>> {
    return this.#runner.enqueue(this.#what, () => this.#read());
  }

  close(): void {}

  async #read(): Promise<IteratorPage<T>> {
    const fault = this.fault();
    if (fault !== undefined) throw fault;
    const keys = this.#keys;
    const what = this.#what;
    const items: unknown[] = [];
    for (const key of keys.slice(this.#at, (this.#at += PAGE_KEYS))) {
      const name = key.slice(this.#strip);
      if (what === 'keys') items.push(name);
      else {
        const value = await this.#calls.get(key, what);
        if (value === null && !(await this.#calls.has(key, what))) continue;
        items.push(what === 'entries' ? [name, value] : value);
      }
    }
    return { items: items as T[], next: this.#at < keys.length ? String(this.#at) : null };
  }
}
