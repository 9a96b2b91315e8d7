import { copyOf } from '../codec/copy.js';
import { StorageError } from '../errors/storage-error.js';
import type { InnerRange } from '../range/range.js';
import { selectKeys } from '../range/selection.js';
import type { CheckedOptions } from './options.js';
import { WatchSource } from './source.js';
import type { WatchEvent } from './types.js';

/** What a call to an engine of a user's has changed. */
export type JavaScriptChange =
  | { type: 'set'; key: string; value: unknown; version: string | null }
  | { type: 'delete'; key: string }
  | { type: 'clear' };

/** Who watches an engine of a user's, and what the running call has changed. */
export class JavaScriptFeed {
  readonly #sources = new Set<JavaScriptWatchSource<unknown>>();
  #changes: JavaScriptChange[] = [];
  #commit = 0;

  add(source: JavaScriptWatchSource<unknown>): void {
    this.#sources.add(source);
  }

  remove(source: JavaScriptWatchSource<unknown>): void {
    this.#sources.delete(source);
  }

  /** Notes a change that was made. */
  note(change: JavaScriptChange): void {
    if (this.#sources.size > 0) this.#changes.push(change);
  }

  /** The running call is over: what it changed is one commit. */
  flush(): void {
    if (this.#changes.length === 0) return;
    const changes = lastOfEach(this.#changes);
    this.#changes = [];
    this.#commit++;
    for (const source of this.#sources) source.tell(changes, this.#commit);
  }

  /** What was noted since was taken back. */
  forget(): void {
    this.#changes = [];
  }

  /** Ends every watch. */
  end(error: Error): void {
    for (const source of this.#sources) source.end(error);
  }
}

/** One change a key, the last; nothing of what was cleared behind it. */
function lastOfEach(changes: JavaScriptChange[]): JavaScriptChange[] {
  const seen = new Set<string>();
  const last: JavaScriptChange[] = [];
  for (const change of changes.toReversed()) {
    if (change.type === 'clear') return [change, ...last];
    if (!seen.has(change.key)) last.unshift(change);
    seen.add(change.key);
  }
  return last;
}

/** A watch of an engine of a user's. */
export class JavaScriptWatchSource<T> extends WatchSource<T> {
  readonly #feed: JavaScriptFeed;
  readonly #range: InnerRange;
  readonly #strip: number;
  readonly #max: number;
  #waiting: WatchEvent<T>[][] = [];
  #overflow: StorageError | undefined;

  constructor(engine: string, feed: JavaScriptFeed, range: InnerRange, strip: number, options: CheckedOptions) {
    super(engine);
    this.#feed = feed;
    this.#range = range;
    this.#strip = strip;
    this.#max = options.maxQueue;
    if (options.since !== undefined) {
      throw new StorageError(
        'NOT_SUPPORTED',
        `The engine ${engine} has no change log, so a watch of it cannot begin in the past`,
        { engine, operation: 'watch' },
      );
    }
    this.open(options);
    if (this.isOver) return;
    feed.add(this);
    this.begun();
  }

  /** A commit of the engine. */
  tell(changes: JavaScriptChange[], commit: number): void {
    if (this.#overflow !== undefined) return;
    const keys = changes.flatMap((change) => (change.type === 'clear' ? [] : [change.key]));
    const matched = new Set(selectKeys(keys, this.#range));
    const events = changes.flatMap((change) => this.#toEvent(change, commit, matched));
    if (events.length === 0) return;
    if (this.#waiting.length < this.#max) this.#waiting.push(events);
    else {
      const message = `The watch was not read fast enough: ${this.#max} commits wait, and no more may; take them faster, or raise maxQueue`;
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
    this.#feed?.remove(this);
  }

  #toEvent(change: JavaScriptChange, commit: number, matched: Set<string>): WatchEvent<T>[] {
    if (change.type === 'clear') return [{ type: 'clear', version: null, commit }];
    if (!matched.has(change.key)) return [];
    const key = change.key.slice(this.#strip);
    if (change.type === 'delete') return [{ type: 'delete', key, version: null, commit }];
    return [{ type: 'set', key, value: copyOf(change.value, Infinity) as T, version: change.version, commit }];
  }
}
