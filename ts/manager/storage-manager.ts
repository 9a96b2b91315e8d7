import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { boolean, nonEmptyString } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import { VERIFY_SHAPE } from '../arguments/shapes.js';
import { describeKind } from '../codec/kinds.js';
import { absolute } from '../engines/built-in/options.js';
import type { Engine, StorageEngine } from '../engines/contract.js';
import { JavaScriptEngine } from '../engines/custom/custom-engine.js';
import { toEngine } from '../engines/custom/wrap.js';
import type { EngineHooks, RetryEvent } from '../engines/hooks.js';
import type { InternalEngine } from '../engines/internal-engine.js';
import { fromNative } from '../errors/from-native.js';
import { StorageError, StorageTypeError, addContext } from '../errors/storage-error.js';
import { closeForGood, connection, setHooks, supervision } from '../internal.js';
import { KeyValueStore } from '../models/key-value-store.js';
import { retryPolicy } from '../retry.js';
import { DEFAULT_PATH, DEFAULT_TIMEOUT } from '../transactions/options.js';
import type {
  RecoveredTransactions,
  RunTransactionOptions,
  TransactionOptions,
  TransactionStats,
} from '../transactions/options.js';
import { runTransaction } from '../transactions/run.js';
import type { Runner } from '../transactions/run.js';
import { Scheduler } from '../transactions/scheduler.js';
import { TransactionManager } from '../transactions/transaction-manager.js';
import type { Transaction } from '../transactions/transaction.js';
import type { EngineStats, VerifyOptions, VerifyReport } from '../types.js';
import { checkConfig, configuredEngines, maxValueBytesOf } from './config.js';
import type { StorageConfig } from './config.js';
import { COPY_SHAPE, copyRecords } from './copy.js';
import type { CopyOptions, CopyResult } from './copy.js';

/** What {@link StorageManager} tells its listeners. */
export interface StorageEvents {
  /** An engine could not be connected for calls that were waiting; they reject too. Without a listener nothing is thrown. */
  error: [error: unknown, engine: string];
  /** A read, a transaction, or the opening of an engine for calls that wait, failed with a retryable error and is made again. */
  retry: [event: RetryEvent];
  /** An engine is connected again after a disconnect. */
  reconnect: [engine: string];
  /** What a crashed process had left half done of transactions was finished or undone as the engine was opened. */
  recovered: [engine: string, transactions: RecoveredTransactions];
}

/** Which engine a model uses. */
export interface ModelOptions {
  /** The engine's name. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
}

/** What `storage.stats()` gives: the figures of each engine by its name, and those of the transactions. */
export type StorageStats = { readonly [engine: string]: EngineStats } & { readonly transactions: TransactionStats };

/** Options of `registerEngine`. */
export interface RegisterOptions {
  /** Whether the manager's `close()` closes the engine too. Default: false. */
  own?: boolean | undefined;
}

/**
 * The engines of an application and what stands on them. Making one does no I/O: engines connect on first use.
 *
 * @example
 * const storage = new StorageManager({ defaultEngine: 'sqlite', sqlite: { path: './data/app.db' } });
 * const users = storage.keyValue('users');
 * await users.set('ada', { born: new Date('1815-12-10') });
 * await storage.close();
 */
export class StorageManager implements AsyncDisposable {
  readonly #defaultEngine: string;
  readonly #engines = new Map<string, InternalEngine>();
  readonly #own = new Set<InternalEngine>();
  readonly #events = new EventEmitter<StorageEvents>();
  readonly #hooks: EngineHooks;
  readonly #runner: Runner;
  readonly #logFolder: string;
  /** The open transactions, by their ids. */
  readonly transactions: TransactionManager;
  #closing: Promise<void> | undefined;

  /** @throws StorageTypeError for an unknown option or one of a wrong type. */
  constructor(config: StorageConfig = {}) {
    checkConfig(config);
    this.#defaultEngine = config.defaultEngine ?? 'file';
    this.#hooks = {
      maxValueBytes: maxValueBytesOf(config),
      retry: retryPolicy(config.retry),
      onRetry: (event) => this.#events.emit('retry', event),
      onReconnect: (engine) => this.#events.emit('reconnect', engine),
      onError: (error, engine) => this.#fail(error, engine),
    };
    this.#logFolder = absolute(config.transactions?.path ?? DEFAULT_PATH);
    this.transactions = new TransactionManager({
      timeout: config.transactions?.timeout ?? DEFAULT_TIMEOUT,
      logFolder: this.#logFolder,
      durability: config.durability ?? 'full',
      resolve: (name) => ({ name: name ?? this.#defaultEngine, engine: this.getEngine(name) as InternalEngine }),
    });
    this.#runner = {
      retry: this.#hooks.retry,
      scheduler: new Scheduler(),
      begin: (options) => this.transactions[supervision].begin(options),
      pause: (engine, attempt, delay, error) => {
        this.#events.emit('retry', {
          engine: engine ?? this.#defaultEngine,
          operation: 'transaction',
          attempt,
          delay,
          error,
        });
        return this.transactions[supervision].pause(delay);
      },
    };
    for (const [name, engine] of configuredEngines(config)) {
      engine[setHooks](this.#hooks);
      this.#recoverAtOpening(engine, name);
      this.#engines.set(name, engine);
      this.#own.add(engine);
    }
    for (const [name, engine] of Object.entries(config.engines ?? {})) this.registerEngine(name, engine);
  }

  /**
   * An engine by its name.
   *
   * @param name - Default: the `defaultEngine`.
   * @throws StorageError ENGINE_NOT_FOUND.
   */
  getEngine(name?: string): Engine {
    if (name !== undefined && typeof name !== 'string')
      throw new StorageTypeError(`Expected the engine's name to be a string, got ${describeKind(name)}`);
    const wanted = name === undefined || name === '' ? this.#defaultEngine : name;
    const engine = this.#engines.get(wanted);
    if (engine === undefined)
      throw new StorageError('ENGINE_NOT_FOUND', `Storage engine not found: ${wanted}`, { engine: wanted });
    return engine;
  }

  /**
   * Adds an engine, one of your own or one made by hand, or replaces what has this name. One of your own is wrapped once;
   * `getEngine(name)` gives the wrapper, whose `target` is the original.
   *
   * @throws StorageTypeError if `engine` lacks one of the eight methods.
   */
  registerEngine(name: string, engine: StorageEngine, options?: RegisterOptions): this {
    if (typeof name !== 'string' || name === '')
      throw new StorageTypeError(`Expected the engine's name to be a non-empty string, got ${describeKind(name)}`);
    checkOptions('registerEngine', options, { own: boolean });
    this.#refuseClosed('registerEngine');
    const full = toEngine(engine, name);
    if (full instanceof JavaScriptEngine) full[setHooks](this.#hooks);
    this.#recoverAtOpening(full, name);
    const replaced = this.#engines.get(name);
    // Nobody else would close it any more.
    if (replaced !== undefined && replaced !== full && this.#own.delete(replaced))
      replaced[closeForGood]().catch((error: unknown) => this.#fail(error, name));
    this.#engines.set(name, full);
    if (options?.own === true) this.#own.add(full);
    return this;
  }

  /** Connects every engine, and rejects if one cannot be. Without it engines connect on first use. */
  async connect(): Promise<void> {
    this.#refuseClosed('connect');
    await Promise.all([...this.#engines.values()].map((engine) => engine.connect()));
  }

  /**
   * A key-value store.
   *
   * @param prefix - The folder its keys lie in. Default: `''`, the whole engine.
   * @example
   * const settings = storage.keyValue('settings', { engine: 'file' });
   */
  keyValue<Value = unknown>(prefix: string = '', options?: ModelOptions): KeyValueStore<Value> {
    checkOptions('keyValue', options, { engine: nonEmptyString });
    return new KeyValueStore<Value>(this.getEngine(options?.engine), prefix);
  }

  /**
   * Begins a transaction, to be ended by its `commit()` or `rollback()`. It does no I/O: the engine is opened by the first
   * call, and what reads see is of the moment of the first of them.
   *
   * @throws ENGINE_NOT_FOUND; CLOSED.
   * @example
   * await using tx = await storage.beginTransaction({ engine: 'sqlite' });
   * await tx.increment('visits');
   * await tx.commit();
   */
  beginTransaction(options?: TransactionOptions): Promise<Transaction> {
    return this.transactions.begin(options);
  }

  /**
   * Runs a function in a transaction: commits when it returns, rolls back when it throws, and runs it again, in a new
   * transaction, after a CONFLICT or another error that may pass. So it may run several times: what it does besides its
   * transaction should bear that.
   *
   * @returns What the function returned.
   * @throws Whatever the function throws, and whatever the commit rejects with once there are no more retries. Nothing is
   * written then, unless the error is UNKNOWN_OUTCOME, or the function committed by itself before.
   * @example
   * const left = await storage.transaction(async (tx) => {
   *   const stock = (await tx.get<number>('stock')) ?? 0;
   *   if (stock === 0) throw new Error('sold out');
   *   await tx.set('stock', stock - 1);
   *   return stock - 1;
   * });
   */
  transaction<T>(run: (transaction: Transaction) => Promise<T> | T, options?: RunTransactionOptions): Promise<T> {
    return runTransaction(this.#runner, run, options);
  }

  /**
   * Copies the records of one engine to another, with expiry and metadata, in steps: writes meanwhile may or may not be
   * copied. The folders of the models are left out. An abort between two steps leaves what was copied.
   *
   * @example
   * const { copied } = await storage.copy({ from: 'file', to: 'sqlite', prefix: 'users/' });
   */
  async copy(options: CopyOptions): Promise<CopyResult> {
    this.#refuseClosed('copy');
    checkOptions('copy', options, COPY_SHAPE);
    return copyRecords(this.#engineOf(options.from, 'from'), this.#engineOf(options.to, 'to'), options);
  }

  /** Figures of every engine, by name, and of the transactions. */
  async stats(): Promise<StorageStats> {
    this.#refuseClosed('stats');
    const engines = await this.#ofEach((engine) => engine.stats());
    return { ...engines, transactions: this.transactions[supervision].stats() } as StorageStats;
  }

  /** Reads everything in every engine and reports what is damaged, by the engine's name. */
  async verify(options?: VerifyOptions): Promise<Record<string, VerifyReport>> {
    this.#refuseClosed('verify');
    checkOptions('verify', options, VERIFY_SHAPE);
    return this.#ofEach((engine) => engine.verify(options));
  }

  /** Calls `listener` each time an event happens. */
  on<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.on(checkEvent(event), checkListener(listener) as never);
    return this;
  }

  /** Calls `listener` the next time an event happens. */
  once<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.once(checkEvent(event), checkListener(listener) as never);
    return this;
  }

  /** Forgets a listener. */
  off<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.off(checkEvent(event), checkListener(listener) as never);
    return this;
  }

  /**
   * Ends it all: new calls reject with CLOSED, running ones finish, open transactions are rolled back, iterators and snapshots end, and the engines the
   * manager made are closed; those it was given only if registered with `own: true`. Closing again does nothing.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Shows the engines' names only. */
  [inspect.custom](): string {
    return `StorageManager { engines: ${inspect([...this.#engines.keys()])} }`;
  }

  async #close(): Promise<void> {
    // All in one step, so that nothing is called in between.
    const closes = [this.transactions[supervision].close(), ...[...this.#own].map((engine) => engine[closeForGood]())];
    const ends = await Promise.allSettled(closes);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #ofEach<T>(ask: (engine: InternalEngine) => Promise<T>): Promise<Record<string, T>> {
    const answers = await Promise.all(
      [...this.#engines].map(async ([name, engine]) => [name, await ask(engine)] as const),
    );
    return Object.fromEntries(answers);
  }

  #engineOf(engine: string | StorageEngine, option: string): InternalEngine {
    if (engine === undefined)
      throw new StorageTypeError(`Expected option ${option} of copy to be a string or an engine; it is missing`);
    return typeof engine === 'string' ? (this.getEngine(engine) as InternalEngine) : toEngine(engine);
  }

  /** What a crash left in the engine is seen to before anything is read there. */
  #recoverAtOpening(engine: InternalEngine, name: string): void {
    const done = (outcome: string): void => {
      const { problems, ...recovered } = JSON.parse(outcome) as RecoveredTransactions & { problems: unknown[] };
      const count = recovered.applied + recovered.dropped + recovered.undone;
      if (count > 0) {
        this.transactions[supervision].recovered(count);
        this.#events.emit('recovered', name, recovered);
      }
      for (const problem of problems)
        this.#fail(addContext(fromNative(problem), { engine: name, operation: 'connect' }), name);
    };
    engine[connection].recovery = { folder: this.#logFolder, name, done };
  }

  #fail(error: unknown, engine: string): void {
    if (this.#events.listenerCount('error') > 0) this.#events.emit('error', error, engine);
  }

  #refuseClosed(operation: string): void {
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'The storage manager is closed', { operation });
  }
}

const EVENTS: readonly string[] = ['error', 'retry', 'reconnect', 'recovered'] satisfies (keyof StorageEvents)[];

function checkEvent<Event>(event: Event): Event {
  if (EVENTS.includes(event as string)) return event;
  throw new StorageTypeError(
    `Expected an event to be one of ${EVENTS.join(', ')}, got ${typeof event === 'string' ? `'${event}'` : describeKind(event)}`,
  );
}

function checkListener<Listener>(listener: Listener): Listener {
  if (typeof listener === 'function') return listener;
  throw new StorageTypeError(`Expected a listener to be a function, got ${describeKind(listener)}`);
}
