import { decode } from '../codec/decode.js';
import type { PageContent } from '../native/interface.js';
import type { LeasedView } from '../native/view.js';
import type { IteratorPage, PageSource } from './page-iterator.js';

/** The pages of a range of a view. The addon reads them. */
export class ViewSource<T> implements PageSource<T> {
  readonly #toPage: (text: string) => IteratorPage<T>;

  /**
   * @param strip - How many units of each key are left out: the length of a store's prefix.
   * @param owned - Whether the view is closed with the source.
   */
  constructor(
    private readonly view: LeasedView,
    private readonly range: string,
    private readonly what: PageContent,
    strip: number,
    private readonly owned: boolean,
  ) {
    this.#toPage = (
      what === 'entries'
        ? (text: string) => entriesOf(text, strip)
        : what === 'keys'
          ? (text: string) => keysOf(text, strip)
          : valuesOf
    ) as (text: string) => IteratorPage<T>;
  }

  page(after: string | null, maxBytes: number): Promise<IteratorPage<T>> {
    return this.view.page(this.range, this.what, after, maxBytes, this.#toPage);
  }

  close(): void {
    if (this.owned) this.view.close();
  }

  fault(): Error | undefined {
    return this.view.stale(this.what);
  }
}

function entriesOf(text: string, strip: number): IteratorPage<[string, unknown]> {
  const flat = decode<unknown[]>(text);
  const items: [string, unknown][] = [];
  for (let index = 1; index < flat.length; index += 2) {
    const key = flat[index] as string;
    items.push([strip === 0 ? key : key.slice(strip), flat[index + 1]]);
  }
  return { items, next: flat[0] as string | null };
}

function keysOf(text: string, strip: number): IteratorPage<string> {
  const [next, ...keys] = JSON.parse(text) as [string | null, ...string[]];
  return { items: strip === 0 ? keys : keys.map((key) => key.slice(strip)), next };
}

function valuesOf(text: string): IteratorPage<unknown> {
  const items = decode<unknown[]>(text);
  const next = items.shift() as string | null;
  return { items, next };
}
