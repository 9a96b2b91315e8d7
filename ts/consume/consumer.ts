import { inspect } from 'node:util';
import { abortError, whenAborted } from '../abort.js';
import { refuseExtraArguments } from '../arguments/arity.js';
import { StorageError } from '../errors/storage-error.js';
import { access } from '../internal.js';
import { clearInterval, setInterval } from '../timers.js';
import { ConsumerRun } from './run.js';
import type { ConsumerWork } from './run.js';
import type { ConsumerState, ConsumerStats } from './types.js';

// The longest delay that Node takes.
const FOREVER = 2 ** 31 - 1;

/**
 * What `storage.consume` returns: it hands the changes of keys to a function, a commit at a time, and keeps in the
 * engine how far that is done; see docs/consumers.md.
 *
 * @example
 * const mailer = storage.consume('mailer', 'order:*', async (events) => {
 *   for (const event of events) if (event.type === 'set') await sendMail(event.value);
 * });
 * process.once('SIGTERM', () => storage.close()); // stops it, too
 */
export class Consumer implements AsyncDisposable {
  /** Its name, by which the engine keeps the cursor. */
  readonly name: string;
  /** The name of the engine. */
  readonly engine: string;
  /** Resolves once it is at work. Rejects if it ends before. */
  readonly ready: Promise<void>;
  /** Resolves once it has stopped. Rejects with the error that ended it, of which the event `error` tells, too. */
  readonly done: Promise<void>;
  readonly #work: Omit<ConsumerWork, 'onReady'>;
  readonly #run: ConsumerRun;

  static {
    refuseExtraArguments(this, {
      promises: { stop: '', forget: '', stats: '' },
      values: { pause: '', resume: '' },
    });
  }

  /** @internal */
  constructor(work: Omit<ConsumerWork, 'onReady'>) {
    this.name = work.name;
    this.engine = work.engine.name;
    this.#work = work;
    let begin!: () => void;
    let fail!: (error: unknown) => void;
    this.ready = new Promise((resolve, reject) => {
      begin = resolve;
      fail = reject;
    });
    // `done` tells it, too.
    this.ready.catch(() => {});
    this.#run = new ConsumerRun({ ...work, onReady: begin });
    const { persistent, signal } = work.options;
    const alive = persistent ? setInterval(() => {}, FOREVER) : undefined;
    const run = this.#run.run();
    const forgetSignal = signal === undefined ? undefined : whenAborted(signal, () => this.#run.end());
    if (signal?.aborted === true) this.#run.end();
    const over = (phase: ConsumerState): void => {
      clearInterval(alive);
      forgetSignal?.();
      this.#run.phase = phase;
      this.#run.attempt = 0;
    };
    this.done = run.then(
      () => {
        over('stopped');
        fail(signal?.aborted === true ? abortError(signal, this.engine, 'consume') : this.#stoppedEarly());
      },
      (error: unknown) => {
        over('failed');
        this.#run.error = error;
        fail(error);
        throw error;
      },
    );
    this.done.catch(() => {});
  }

  /** @internal */
  get isHandling(): boolean {
    return this.#run.attempt > 0;
  }

  /** What it is doing. */
  get state(): ConsumerState {
    const { phase, gate } = this.#run;
    const mayHandOver = phase === 'running' || phase === 'retrying';
    return mayHandOver && gate.isClosed && !this.isHandling ? 'paused' : phase;
  }

  /** Hands nothing over until `resume()`. A handler that is running finishes. The name stays taken. */
  pause(): void {
    if (!this.#run.isEnding) this.#run.gate.close();
  }

  /** Hands over again. */
  resume(): void {
    this.#run.gate.open();
  }

  /**
   * Hands nothing more over, waits for a running handler, at most for `grace`, and gives the name up. Do not wait for
   * it inside the handler.
   */
  async stop(): Promise<void> {
    this.#run.end();
    await this.done.catch(() => {});
  }

  /**
   * Stops, and removes the cursor from the engine: the name begins anew.
   *
   * @throws LOCKED if another consumer of the name is at work.
   */
  async forget(): Promise<void> {
    await this.stop();
    const request = { consumer: { release: { name: this.name, token: '', forget: true } } };
    const gone = await this.#work.engine[access].model('forget', request, {});
    if (gone === 'true') return;
    const message = `Another consumer is at work under the name ${this.name}; stop it first`;
    throw new StorageError('LOCKED', message, { engine: this.engine, operation: 'forget' });
  }

  /** Figures of it. */
  async stats(): Promise<ConsumerStats> {
    const { cursor, calls, counts, isEnding } = this.#run;
    let lag: number | null = null;
    if (cursor !== undefined && calls !== undefined && !isEnding) {
      // What the store cannot tell is null.
      lag = await calls.advance(cursor, this.#work.pattern).then(
        (advanced) => advanced.lag,
        () => null,
      );
    }
    const { attempt, error } = this.#run;
    return { state: this.state, cursor: this.#run.cursor ?? null, lag, ...counts, attempt, error };
  }

  /** The same as `stop()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Shows name and state only. */
  [inspect.custom](): string {
    return `Consumer { name: '${this.name}', state: '${this.state}' }`;
  }

  #stoppedEarly(): StorageError {
    const message = `The consumer ${this.name} was stopped before it was at work`;
    return new StorageError('CLOSED', message, { engine: this.engine, operation: 'consume' });
  }
}
