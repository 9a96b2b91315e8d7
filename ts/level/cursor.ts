import { abortable } from '../abort.js';
import type { Engine } from '../engines/contract.js';
import { takeItems } from '../internal.js';
import type { PageIterator } from '../iteration/page-iterator.js';
import type { PageContent } from '../native/interface.js';
import type { Snapshot } from '../snapshot.js';
import type { Range } from '../types.js';
import { rethrow } from './errors.js';
import { startingAt } from './folder.js';
import type { Bounds } from './folder.js';
import { LevelSnapshot, release } from './snapshot.js';

/** Options of a cursor. */
export interface CursorOptions {
  readonly what: PageContent;
  readonly bounds: Bounds;
  readonly reverse: boolean;
  /** The option `snapshot` that was given to the call of abstract-level. */
  readonly snapshot?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A position in a range of an engine. Where the engine has snapshots, the cursor reads one: the one given, or one that
 * is requested when the cursor is made. So seeking back shows the same moment.
 */
export class Cursor<T> {
  readonly #engine: Engine;
  readonly #options: CursorOptions;
  readonly #view: Promise<Snapshot> | undefined;
  readonly #owned: boolean;
  /** The rest of the range; undefined: nothing, because a seek went outside of the range. */
  #bounds: Bounds | undefined;
  #items: PageIterator<T> | undefined;

  constructor(engine: Engine, options: CursorOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#bounds = options.bounds;
    this.#owned = options.snapshot === undefined && engine.capabilities.snapshots;
    this.#view = this.#owned
      ? engine.snapshot()
      : options.snapshot === undefined
        ? undefined
        : LevelSnapshot.taken(options.snapshot);
    this.#view?.catch(() => {}); // take() rejects with it
  }

  /**
   * The next items: as many as are at hand, at least one, at most `max`; none at the end.
   *
   * @param left - The most items that this and later calls will take.
   */
  take(max: number, left: number): Promise<T[]> {
    return abortable(
      this.#options.signal,
      this.#engine.name,
      'next',
      () => this.#take(max, left),
      () => {},
    ).catch(rethrow);
  }

  /** The next `size` items, fewer only at the end. */
  async fill(size: number, left: number): Promise<T[]> {
    const items = await this.take(size, left);
    while (items.length > 0 && items.length < size) {
      const more = await this.take(size - items.length, left - items.length);
      if (more.length === 0) break;
      for (const item of more) items.push(item);
    }
    return items;
  }

  /** Goes to the first key from `key` on, in the cursor's direction; to the end if `key` is outside of the range. */
  seek(key: string): void {
    this.#drop();
    this.#bounds = startingAt(this.#options.bounds, key, this.#options.reverse);
  }

  /** Frees what the cursor holds. */
  async close(): Promise<void> {
    this.#drop();
    this.#bounds = undefined;
    if (this.#owned) await release(this.#view!);
  }

  async #take(max: number, left: number): Promise<T[]> {
    if (this.#items === undefined) {
      if (this.#bounds === undefined) return [];
      const { what, reverse } = this.#options;
      const range = { ...this.#bounds, reverse, limit: Number.isFinite(left) ? left : undefined };
      this.#items = read<T>(this.#view === undefined ? this.#engine : await this.#view, what, range);
    }
    return this.#items[takeItems](max);
  }

  #drop(): void {
    void this.#items?.return();
    this.#items = undefined;
  }
}

function read<T>(
  source: Pick<Engine, 'entries' | 'keysIterator' | 'values'>,
  what: PageContent,
  range: Range,
): PageIterator<T> {
  const items =
    what === 'keys' ? source.keysIterator(range) : what === 'values' ? source.values(range) : source.entries(range);
  // Every iterator of an engine is one.
  return items as PageIterator<T>;
}
