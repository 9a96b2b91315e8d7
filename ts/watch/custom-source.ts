import { copyOf } from '../codec/copy.js';
import { StorageError } from '../errors/storage-error.js';
import type { InnerRange } from '../range/range.js';
import { selectKeys } from '../range/selection.js';
import type { CustomChange, CustomFeed, FeedListener } from './custom-feed.js';
import type { CheckedOptions } from './options.js';
import { WatchSource } from './source.js';
import type { ClearEvent, DeleteEvent, EventPlace, SetEvent, WatchEvent } from './types.js';

/** An event without its place. */
type Told<T> =
  Omit<SetEvent<T>, keyof EventPlace> | Omit<DeleteEvent, keyof EventPlace> | Omit<ClearEvent, keyof EventPlace>;

/** A watch of a custom engine. */
export class CustomWatchSource<T> extends WatchSource<T> implements FeedListener {
  readonly #feed: CustomFeed;
  readonly #range: InnerRange;
  readonly #strip: number;
  readonly #max: number;
  #waiting: WatchEvent<T>[][] = [];
  #overflow: StorageError | undefined;

  /** @param strip - How many units of each key are left out: the length of a store's prefix. */
  constructor(
    engine: { readonly name: string; connect(): Promise<void> },
    feed: CustomFeed,
    range: InnerRange,
    strip: number,
    options: CheckedOptions,
  ) {
    super(engine.name);
    this.#feed = feed;
    this.#range = range;
    this.#strip = strip;
    this.#max = options.maxQueue;
    if (options.since !== undefined) {
      throw new StorageError(
        'NOT_SUPPORTED',
        `The engine ${engine.name} has no change log, so a watch of it cannot begin in the past`,
        { engine: engine.name, operation: 'watch' },
      );
    }
    this.open(options);
    if (this.isOver) return;
    feed.add(this);
    // A store that was not opened would not be closed, and the watch would never end.
    engine.connect().then(
      () => this.begun(),
      (error: Error) => this.end(error),
    );
  }

  /** A commit of the engine. */
  tell(changes: CustomChange[], commit: number): void {
    if (this.#overflow !== undefined) return;
    const keys = changes.flatMap((change) => (change.type === 'clear' ? [] : [change.key]));
    const matched = new Set(selectKeys(keys, this.#range));
    const told = changes.filter((change) => change.type === 'clear' || matched.has(change.key));
    const events = told.map((change, index): WatchEvent<T> => {
      const last = index === told.length - 1;
      const place = { commit, last, cursor: last ? `${commit}` : `${commit}.${changes.indexOf(change) + 1}` };
      return { ...this.#toEvent(change), ...place };
    });
    if (events.length === 0) return;
    if (this.#waiting.length < this.#max) this.#waiting.push(events);
    else {
      const message =
        `The watch was not read fast enough: ${this.#max} commits wait, and no more may; ` +
        'take them faster, or raise maxQueue';
      this.#overflow = new StorageError('NO_SPACE', message, { engine: this.engine, operation: 'watch' });
    }
    this.wake();
  }

  protected override async take(): Promise<WatchEvent<T>[] | undefined> {
    const events = this.#waiting.shift();
    if (events !== undefined) return events;
    if (this.#overflow !== undefined) return this.end(this.#overflow) as undefined;
    return void (await this.wait());
  }

  protected override release(): void {
    this.#waiting = [];
    this.#feed.remove(this);
  }

  #toEvent(change: CustomChange): Told<T> {
    if (change.type === 'clear') return { type: 'clear', version: null };
    const key = change.key.slice(this.#strip);
    if (change.type === 'delete') return { type: 'delete', key, version: null };
    return { type: 'set', key, value: copyOf(change.value, Infinity) as T, version: change.version };
  }
}
