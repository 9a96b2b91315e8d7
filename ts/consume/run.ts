import { JavaScriptEngine } from '../engines/custom/custom-engine.js';
import type { RetryEvent } from '../engines/hooks.js';
import type { InternalEngine } from '../engines/internal-engine.js';
import { StorageError, isStorageError } from '../errors/storage-error.js';
import type { StorageTypeError } from '../errors/storage-error.js';
import { access, connection } from '../internal.js';
import type { StoreLease } from '../native/store-lease.js';
import type { InnerRange } from '../range/range.js';
import { retryDelay } from '../retry.js';
import { clearInterval, setInterval } from '../timers.js';
import type { WatchSource } from '../watch/source.js';
import type { WatchEvent } from '../watch/types.js';
import { ConsumerCalls } from './calls.js';
import { Handling } from './handling.js';
import { NameClaim } from './name-claim.js';
import type { CheckedConsumeOptions } from './options.js';
import type { ConsumeHandler, ConsumerState } from './types.js';
import { Gate, pause, unlessAborted } from './waiting.js';

/** What a consumer does, and who is told of it. */
export interface ConsumerWork {
  readonly name: string;
  readonly pattern: string;
  readonly range: InnerRange;
  readonly handler: ConsumeHandler;
  readonly options: CheckedConsumeOptions;
  readonly engine: InternalEngine;
  /** Something is tried again. */
  onRetry(event: RetryEvent): void;
  /** The handler has failed, and the user is not told by `onError`. */
  onFailure(error: unknown): void;
  /** It is at work. */
  onReady(): void;
}

// More commits are dropped by the watch, and read from the change log.
const MAX_QUEUE = 65_536;

/**
 * The work of a consumer: it opens the engine, takes the name, follows the changes, and gives the name up in the end.
 * What may pass is tried again.
 */
export class ConsumerRun {
  phase: ConsumerState = 'starting';
  /** The place up to which everything is done. */
  cursor: string | undefined;
  /** Absent until the engine is open. */
  calls: ConsumerCalls | undefined;
  /** The attempt that the handler is running; 0 if it is not. */
  attempt = 0;
  error: unknown = null;
  readonly counts = { commits: 0, events: 0, failures: 0 };
  readonly gate = new Gate();
  readonly #work: ConsumerWork;
  readonly #handling: Handling;
  readonly #stopping = new AbortController();
  #claim: NameClaim | undefined;
  #source: WatchSource<unknown> | undefined;
  /** Whether the store has had the place of the cursor. Else the user may have given a wrong one. */
  #isPlaceKnown = false;
  /** Whether it waits for changes, and all earlier ones are done. */
  #isIdle = false;
  /** Whether the latest call to the store has failed. */
  #isAway = false;
  /** Whether it was idle in the end. */
  #wasIdle = false;
  /** Whether a sign of life is under way. */
  #isSigning = false;
  /** Ends what the engine was held open for. */
  #letGo: (() => void) | undefined;

  constructor(work: ConsumerWork) {
    this.#work = work;
    this.#handling = new Handling(work.options, {
      calling: async (attempt) => {
        await this.gate.passed;
        this.#enter('running', attempt);
      },
      failed: (error) => {
        this.counts.failures++;
        this.error = error;
        if (work.options.onError === undefined) work.onFailure(error);
      },
      pausing: () => this.#enter('retrying'),
    });
  }

  get isEnding(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Works until {@link end}. Rejects with the error that ends it before. */
  async run(): Promise<void> {
    let signs: NodeJS.Timeout | undefined;
    try {
      // The first attempt is made at once: its mark lies between the calls before this one and those behind it.
      const mark = await this.#persist(() => unlessAborted(this.#open(), this.#stopping.signal));
      if (mark === undefined) return;
      signs = setInterval(() => void this.#giveSign(), this.#work.options.sessionTimeout / 3).unref();
      while (!this.isEnding) await this.#serve(mark);
    } finally {
      clearInterval(signs);
      await this.#leave();
    }
  }

  /** Hands nothing more over. What is running may finish. */
  end(): void {
    if (this.isEnding) return;
    // Until the name is given up. The engine may be closing.
    const lease = this.calls?.lease;
    if (lease !== undefined) {
      lease.hold();
      this.#letGo = () => lease.settled();
    }
    this.#wasIdle = this.#isIdle;
    this.#stopping.abort();
    this.#claim?.end();
    this.#source?.close();
    this.gate.open();
  }

  async #open(): Promise<string> {
    const { engine, name } = this.#work;
    if (engine instanceof JavaScriptEngine) {
      const message = `The engine ${engine.name} has no change log, so nothing can be consumed from it; use watch`;
      throw new StorageError('NOT_SUPPORTED', message, { engine: engine.name, operation: 'consume' });
    }
    return engine[connection].withLease('consume', async (lease) => {
      if (this.isEnding) return '';
      this.calls ??= this.#bind(lease, name);
      return this.calls.mark();
    });
  }

  readonly #dependent = { engineEnded: (): void => this.end() };

  #bind(lease: StoreLease, name: string): ConsumerCalls {
    const calls = new ConsumerCalls(lease, name);
    this.#claim = new NameClaim(calls, this.#work.options.sessionTimeout);
    lease.addDependent(this.#dependent);
    return calls;
  }

  /** Takes the name, and works until it is lost. */
  async #serve(mark: string): Promise<void> {
    const claim = this.#claim!;
    this.#enter('starting');
    const stored = await this.#persist(() =>
      claim.take(this.#stopping.signal, (cursor) => {
        this.#enter('standby');
        this.cursor = cursor ?? undefined;
      }),
    );
    if (stored === undefined) return;
    this.#isPlaceKnown = stored !== null;
    this.cursor = stored ?? (await this.#persist(() => this.#firstPlace(mark)));
    for (let failures = 1; claim.isHeld && !this.isEnding; failures++) {
      const error = await this.#follow(() => (failures = 0));
      if (error !== undefined && !this.isEnding) await this.#recover(error, failures);
    }
  }

  /** Where a name begins that has no cursor. */
  async #firstPlace(mark: string): Promise<string> {
    const { from } = this.#work.options;
    if (from === 'now') return mark;
    return from === 'earliest' ? this.calls!.earliest() : from;
  }

  /** Hands over what comes behind the cursor, until the name is lost, the end, or an error of the watch: that one. */
  async #follow(begun: () => void): Promise<Error | undefined> {
    const { engine, range, options } = this.#work;
    const watched = { since: this.cursor, maxQueue: MAX_QUEUE, persistent: false, signal: undefined };
    const source = (this.#source = engine[access].watch!<unknown>(range, 0, watched));
    try {
      try {
        await source.ready;
      } catch (error) {
        return error as Error;
      }
      if (!this.#isPlaceKnown && !(await this.#write(this.cursor!))) return undefined;
      this.#isPlaceKnown = true;
      begun();
      this.#enter('running');
      this.#work.onReady();
      for (;;) {
        let events;
        this.#isIdle = true;
        try {
          events = await source.page(options.batchSize);
        } catch (error) {
          return error as Error;
        } finally {
          this.#isIdle = false;
        }
        // Without events the watch was closed.
        if (events.length === 0 || !(await this.#handle(events))) return undefined;
      }
    } finally {
      source.close();
    }
  }

  /** Goes on after an error of the watch, or throws it. */
  async #recover(error: Error, failures: number): Promise<void> {
    if (!isStorageError(error)) throw error;
    // The handler was slow. The log has what the watch has dropped.
    if (error.code === 'NO_SPACE') return;
    const isGap = error.code === 'PRECONDITION_FAILED' || error.code === 'INVALID_ARGUMENT';
    if (isGap && this.#isPlaceKnown) return this.#closeGap(error);
    if (!mayPass(error)) throw error;
    await this.#wait(error, failures);
  }

  /** Lets the user handle events, and writes the cursor behind them. False if the consumer has to stop. */
  async #handle(events: WatchEvent[]): Promise<boolean> {
    const { name, handler } = this.#work;
    const { cursor } = events.at(-1)!;
    const { signal } = this.#claim!;
    const call = (attempt: number): unknown => handler(events, { consumer: name, cursor, attempt, signal });
    if (!(await this.#complete(call, events, cursor))) return false;
    this.counts.events += events.length;
    this.counts.commits += new Set(events.map(({ commit }) => commit)).size;
    return true;
  }

  /** Lets the user read the store anew, because changes are lost. */
  async #closeGap(gap: StorageError | StorageTypeError): Promise<void> {
    const { name, engine, options } = this.#work;
    const { onGap } = options;
    if (onGap === undefined) {
      const message = `The consumer ${name} has missed changes (${gap.message}); read the store anew in the option onGap`;
      throw new StorageError('PRECONDITION_FAILED', message, { engine: engine.name, operation: 'consume', cause: gap });
    }
    // What changes while the store is read is handed over behind it.
    const mark = await this.#persist(() => this.calls!.mark());
    if (mark === undefined) return;
    const cursor = this.cursor!;
    const { signal } = this.#claim!;
    await this.#complete(() => onGap({ cursor, signal }), [], mark);
  }

  /** Makes a call to the user until it succeeds or is skipped, and writes the cursor. False if that was not reached. */
  async #complete(call: (attempt: number) => unknown, events: WatchEvent[], cursor: string): Promise<boolean> {
    const { lease } = this.calls!;
    // So that a disconnect waits for it.
    lease.hold();
    try {
      return (await this.#handling.run(call, { events, cursor }, this.#claim!.signal)) && (await this.#write(cursor));
    } finally {
      this.attempt = 0;
      lease.settled();
    }
  }

  /** Writes the cursor. False if the name is lost. */
  async #write(cursor: string): Promise<boolean> {
    for (let failures = 1; ; failures++) {
      try {
        const held = await this.#claim!.keep(cursor);
        if (held) this.cursor = cursor;
        this.#isAway = false;
        return held;
      } catch (error) {
        if (this.isEnding) return false;
        // A full disk may be emptied.
        if (!mayPass(error) && !(isStorageError(error) && error.code === 'NO_SPACE')) throw error;
        if (!(await this.#wait(error, failures))) return false;
      }
    }
  }

  async #giveSign(): Promise<void> {
    if (this.#isSigning || this.#claim?.isHeld !== true) return;
    this.#isSigning = true;
    try {
      await this.#keep(this.#isIdle);
    } catch (error) {
      // The next one may come through. If none does, another consumer takes over.
      this.error = error;
    } finally {
      this.#isSigning = false;
    }
  }

  /** Gives a sign of life. An idle consumer also moves its cursor past what it does not match. */
  async #keep(isIdle: boolean): Promise<void> {
    const at = this.cursor;
    const passed = isIdle && at !== undefined ? (await this.calls!.advance(at, this.#work.pattern)).cursor : at;
    // Unless the handler moves it meanwhile: a newer cursor may be on its way.
    const stays = this.cursor === at && (this.#isIdle || this.isEnding);
    const cursor = stays && passed !== at ? passed : undefined;
    if ((await this.#claim!.keep(cursor)) && cursor !== undefined && this.cursor === at) this.cursor = cursor;
  }

  /** Makes a call to the store until it succeeds; undefined if the end comes before. */
  async #persist<R>(call: () => Promise<R | undefined>): Promise<R | undefined> {
    for (let failures = 1; !this.isEnding; failures++) {
      try {
        const result = await call();
        this.#isAway = false;
        return result;
      } catch (error) {
        if (this.isEnding) return undefined;
        if (!mayPass(error)) throw error;
        await this.#wait(error, failures);
      }
    }
    return undefined;
  }

  /** Waits before something is tried again. False: the end has come. */
  async #wait(error: unknown, failures: number): Promise<boolean> {
    this.error = error;
    this.#isAway = true;
    if (this.isEnding) return false;
    const { engine, options } = this.#work;
    const delay = retryDelay(options.retry, failures);
    this.#enter('retrying');
    this.#work.onRetry({
      engine: engine.name,
      operation: 'consume',
      attempt: failures + 1,
      delay,
      error: error as StorageError,
    });
    await pause(delay, this.#stopping.signal);
    return !this.isEnding;
  }

  /** Gives up the name, and what the engine was held open for. */
  async #leave(): Promise<void> {
    this.calls?.lease.removeDependent(this.#dependent);
    this.#stopping.abort();
    try {
      // Nothing waits for a server that is away.
      if (this.#isAway) return;
      if (this.#wasIdle) await this.#keep(true);
      await this.#claim?.release();
    } catch {
      // Another consumer takes over after the session timeout.
    } finally {
      this.#letGo?.();
    }
  }

  #enter(phase: ConsumerState, attempt = 0): void {
    this.phase = phase;
    this.attempt = attempt;
  }
}

/** Whether the same call may succeed later. */
function mayPass(error: unknown): boolean {
  return isStorageError(error) && (error.retryable || error.code === 'UNKNOWN_OUTCOME');
}
