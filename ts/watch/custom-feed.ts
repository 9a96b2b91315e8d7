import type { WatchSource } from './source.js';

/** A change that a call to a custom engine made. */
export type CustomChange =
  | { type: 'set'; key: string; value: unknown; version: string | null }
  | { type: 'delete'; key: string }
  | { type: 'clear' };

/** A watch that a feed tells of commits. */
export interface FeedListener extends WatchSource<unknown> {
  tell(changes: CustomChange[], commit: number): void;
}

/** The watches of a custom engine, and the changes that the running call has made so far. */
export class CustomFeed {
  readonly #listeners = new Set<FeedListener>();
  #changes: CustomChange[] = [];
  #commit = 0;

  add(listener: FeedListener): void {
    this.#listeners.add(listener);
  }

  remove(listener: FeedListener): void {
    this.#listeners.delete(listener);
  }

  /** Notes a change that was made. */
  note(change: CustomChange): void {
    if (this.#listeners.size > 0) this.#changes.push(change);
  }

  /** The running call is over: its changes are one commit. */
  flush(): void {
    if (this.#changes.length === 0) return;
    const changes = lastOfEach(this.#changes);
    this.#changes = [];
    this.#commit++;
    for (const listener of this.#listeners) listener.tell(changes, this.#commit);
  }

  /** Forgets changes that were taken back. */
  forget(): void {
    this.#changes = [];
  }

  /** Ends every watch with the engine. */
  end(error: Error): void {
    for (const listener of this.#listeners) listener.endWithEngine(error);
  }
}

/** The last change of each key. A clear drops the changes before it. */
function lastOfEach(changes: CustomChange[]): CustomChange[] {
  const seen = new Set<string>();
  const last: CustomChange[] = [];
  for (const change of changes.toReversed()) {
    if (change.type === 'clear') return [change, ...last];
    if (!seen.has(change.key)) last.unshift(change);
    seen.add(change.key);
  }
  return last;
}
