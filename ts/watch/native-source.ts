import { decode } from '../codec/decode.js';
import { fromNative } from '../errors/from-native.js';
import { forgetProgress, listenForProgress } from '../native/calls.js';
import type { NativeWatch } from '../native/interface.js';
import type { StoreSource } from '../native/lease-source.js';
import { nothing } from '../native/results.js';
import type { StoreLease } from '../native/store-lease.js';
import { rangeText } from '../range/range.js';
import type { InnerRange } from '../range/range.js';
import type { CheckedOptions } from './options.js';
import { WatchSource } from './source.js';
import type { ClearEvent, EventPlace, WatchEvent } from './types.js';

/** A watch of a built-in engine. The addon rings when there are events; they are fetched when they are asked for. */
export class NativeWatchSource<T> extends WatchSource<T> {
  readonly #strip: number;
  #lease: StoreLease | undefined;
  #watch: NativeWatch | undefined;
  #forgetLease: (() => void) | undefined;
  #hasBegun = false;
  /** The read of the change log that is under way. */
  #reading: Promise<void> | undefined;

  /** @param strip - How many units of each key are left out: the length of a store's prefix. */
  constructor(from: StoreSource, range: InnerRange, strip: number, options: CheckedOptions) {
    super(from.name);
    this.#strip = strip;
    this.open(options);
    if (this.isOver) return;
    // In order with the other calls to the engine.
    from.withLease('watch', (lease) => this.#start(lease, range, options)).catch((error: Error) => this.end(error));
  }

  protected override async take(commits: number): Promise<WatchEvent<T>[] | undefined> {
    const lease = this.#lease;
    const watch = this.#watch;
    if (lease === undefined || watch === undefined) return void (await this.wait());
    let taken;
    try {
      taken = watch.take(commits);
    } catch (error) {
      return this.end(lease.explain(error, 'watch', undefined)) as undefined;
    }
    if (taken === null) return void (await this.wait());
    if (taken === true) return void (await this.#readLog(lease, watch));
    return eventsOf<T>(taken, this.#strip);
  }

  protected override release(): void {
    this.#forgetLease?.();
    this.#watch?.close();
    this.#watch = undefined;
    this.#lease = undefined;
  }

  #start(lease: StoreLease, range: InnerRange, { since, maxQueue }: CheckedOptions): Promise<void> {
    if (this.isOver) return Promise.resolve();
    // Until the last ring, which has a text, the addon uses the id.
    const bell: number = listenForProgress((text) => (text === '' ? this.#rung() : forgetProgress(bell)));
    try {
      this.#watch = lease.store.watch(bell, rangeText(range), since, maxQueue);
    } catch (error) {
      return lease.refuse(fromNative(error), 'watch', undefined);
    }
    this.#lease = lease;
    const dependent = { engineEnded: (): void => void this.endWithEngine(lease.host.gone('watch')) };
    lease.addDependent(dependent);
    this.#forgetLease = () => lease.removeDependent(dependent);
    this.#rung();
    return Promise.resolve();
  }

  #rung(): void {
    if (!this.#hasBegun) this.#begin();
    this.wake();
  }

  /** Settles `ready` as soon as it is known whether the watch begins, also while nobody asks for events. */
  #begin(): void {
    const lease = this.#lease;
    const watch = this.#watch;
    if (lease === undefined || watch === undefined) return;
    let begun;
    try {
      begun = watch.begun;
    } catch (error) {
      return this.end(lease.explain(error, 'watch', undefined));
    }
    this.#hasBegun = begun === true;
    if (begun === true) this.begun();
    else if (begun === false)
      this.#readLog(lease, watch).then(
        () => this.#begin(),
        (error: Error) => this.end(error),
      );
  }

  #readLog(lease: StoreLease, watch: NativeWatch): Promise<void> {
    this.#reading ??= lease
      .queue<void>('watch', undefined, nothing, (id) => watch.submitLog(id))
      .finally(() => (this.#reading = undefined));
    return this.#reading;
  }
}

type Told =
  | [0, string, string, unknown]
  | [1, string, string]
  | [2, string]
  | [3, ['prefix' | 'gt' | 'gte' | 'lt' | 'lte', string][] | null];

function eventsOf<T>(text: string, strip: number): WatchEvent<T>[] {
  const events: WatchEvent<T>[] = [];
  for (const [commit, cursors, ...changes] of decode<[number, string[], ...Told[]][]>(text)) {
    for (const [index, change] of changes.entries()) {
      const place = { commit, last: index === cursors.length - 1, cursor: cursors[index] };
      switch (change[0]) {
        case 0:
          events.push({
            type: 'set',
            key: change[1].slice(strip),
            value: change[3] as T,
            version: change[2],
            ...place,
          });
          break;
        case 1:
          events.push({ type: 'set', key: change[1].slice(strip), version: change[2], ...place });
          break;
        case 2:
          events.push({ type: 'delete', key: change[1].slice(strip), version: null, ...place });
          break;
        case 3:
          events.push(clearOf(change[1], strip, place));
      }
    }
  }
  return events;
}

function clearOf(bounds: [string, string][] | null, strip: number, place: EventPlace): ClearEvent {
  const event: ClearEvent = { type: 'clear', version: null, ...place };
  if (bounds === null) return event;
  return { ...event, range: Object.fromEntries(bounds.map(([name, key]) => [name, key.slice(strip)])) };
}
