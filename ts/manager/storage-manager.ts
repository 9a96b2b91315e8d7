import { inspect } from 'node:util';
import { answered } from '../answers.js';
import { refuseExtraArguments } from '../arguments/arity.js';
import { boolean, nonEmptyString } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import { addClock, removeClock } from '../clock.js';
import type { Clock } from '../clock.js';
import { VERIFY_SHAPE } from '../arguments/shapes.js';
import { describeKind } from '../codec/kinds.js';
import { Consumer } from '../consume/consumer.js';
import { checkedConsumeOptions } from '../consume/options.js';
import type { ConsumeHandler, ConsumeOptions } from '../consume/types.js';
import { absolute } from '../engines/built-in/options.js';
import type { DataMethods, Engine, StorageEngine } from '../engines/contract.js';
import { JavaScriptEngine } from '../engines/custom/custom-engine.js';
import { toDataMethods, toEngine } from '../engines/custom/wrap.js';
import type { AccessibleData } from '../engines/data/access.js';
import type { EngineHooks } from '../engines/hooks.js';
import type { InternalEngine } from '../engines/internal-engine.js';
import { fromNative } from '../errors/from-native.js';
import { StorageError, StorageTypeError, addContext } from '../errors/storage-error.js';
import { closeForGood, connection, setHooks, supervision } from '../internal.js';
import { KeyValueStore } from '../models/key-value-store.js';
import { retryPolicy } from '../retry.js';
import { DEFAULT_PATH, DEFAULT_TIMEOUT } from '../transactions/options.js';
import type { RecoveredTransactions, RunTransactionOptions, TransactionOptions } from '../transactions/options.js';
import { runTransaction } from '../transactions/run.js';
import type { Runner } from '../transactions/run.js';
import { Scheduler } from '../transactions/scheduler.js';
import { TransactionManager } from '../transactions/transaction-manager.js';
import type { Supervision } from '../transactions/transaction-manager.js';
import type { Transaction } from '../transactions/transaction.js';
import type { VerifyReport } from '../types.js';
import { watchedRange } from '../watch/options.js';
import { checkConfig, configuredEngines, engineNotFound, rulesOf } from './config.js';
import type { ConfiguredEngines, StorageConfig } from './config.js';
import { COPY_SHAPE, copyRecords } from './copy.js';
import type { CopyOptions, CopyResult } from './copy.js';
import { ManagerEvents } from './events.js';
import type { StorageEvents } from './events.js';
import { ALL_SHAPE } from './options.js';
import type {
  ModelOptions,
  RegisterOptions,
  StorageStats,
  StorageStatsOptions,
  StorageVerifyOptions,
} from './options.js';
import { EXPORT_SHAPE, IMPORT_SHAPE, exportRecords, importRecords } from './transfer.js';
import type { ExportOptions, ExportResult, ImportOptions, ImportResult } from './transfer.js';

/**
 * The engines of an application, with the models and transactions that use them. The constructor does no I/O: engines
 * connect on first use.
 *
 * @typeParam Section - The sections of the configuration, which TypeScript finds itself.
 * @typeParam Own - The type of the section `engines`.
 * @example
 * const storage = new StorageManager({ defaultEngine: 'sqlite', sqlite: { path: './data/app.db' } });
 * const users = storage.keyValue('users');
 * await users.set('ada', { born: new Date('1815-12-10') });
 * await storage.close();
 */
export class StorageManager<
  Section extends keyof StorageConfig = never,
  Own extends Record<string, StorageEngine> = Record<never, never>,
> implements AsyncDisposable {
  readonly #defaultEngine: string;
  readonly #engines = new Map<string, InternalEngine>();
  readonly #own = new Set<InternalEngine>();
  readonly #events = new ManagerEvents();
  readonly #hooks: EngineHooks;
  readonly #runner: Runner;
  readonly #logFolder: string;
  /** The open transactions. */
  readonly transactions: TransactionManager;
  readonly #supervision: Supervision;
  readonly #consumers = new Set<Consumer>();
  readonly #clock: Clock | undefined;
  #closing: Promise<void> | undefined;

  static {
    refuseExtraArguments(this, {
      promises: {
        connect: '',
        beginTransaction: 'options',
        transaction: 'run, options',
        copy: 'options',
        export: 'options',
        import: 'options',
        stats: 'options',
        verify: 'options',
        close: '',
      },
      values: {
        getEngine: 'name',
        registerEngine: 'name, engine, options',
        keyValue: 'prefix, options',
        consume: 'name, pattern, handler, options',
        on: 'event, listener',
        once: 'event, listener',
        off: 'event, listener',
      },
    });
  }

  /** @throws StorageTypeError for an unknown option or one of a wrong type. */
  constructor(given?: Pick<StorageConfig, Section> & { engines?: Own | undefined }) {
    const config: StorageConfig = given === undefined ? {} : given;
    checkConfig(config);
    this.#defaultEngine = config.defaultEngine ?? 'file';
    this.#hooks = {
      rules: rulesOf(config),
      retry: retryPolicy(config.retry),
      onRetry: (event) => this.#events.retry(event),
      onReconnect: (engine) => this.#events.reconnect(engine),
      onDown: (engine, error) => this.#events.down(engine, error),
      onUp: (engine) => this.#events.up(engine),
      onError: (error, engine) => this.#events.error(error, engine),
    };
    this.#logFolder = absolute(config.transactions?.path ?? DEFAULT_PATH);
    this.transactions = new TransactionManager({
      timeout: config.transactions?.timeout ?? DEFAULT_TIMEOUT,
      logFolder: this.#logFolder,
      durability: config.durability ?? 'full',
      resolve: (name) => ({ name: name ?? this.#defaultEngine, engine: this.getEngine(name) as InternalEngine }),
    });
    this.#supervision = this.transactions[supervision];
    this.#runner = {
      retry: this.#hooks.retry,
      scheduler: new Scheduler(),
      begin: (options) => this.#supervision.begin(options),
      pause: (engine, attempt, delay, error) => {
        this.#events.retry({
          engine: engine ?? this.#defaultEngine,
          operation: 'transaction',
          attempt,
          delay,
          error,
        });
        return this.#supervision.pause(delay);
      },
    };
    for (const [name, engine] of configuredEngines(config)) {
      engine[setHooks](this.#hooks);
      this.#recoverAtOpening(engine, name);
      this.#engines.set(name, engine);
      this.#own.add(engine);
    }
    for (const [name, engine] of Object.entries(config.engines ?? {})) this.registerEngine(name, engine);
    this.#clock = config.clock;
    if (this.#clock !== undefined) addClock(this.#clock);
  }

  /**
   * An engine by its name. TypeScript knows the type of those in the configuration.
   *
   * @param name - Default: the `defaultEngine`.
   * @throws StorageError ENGINE_NOT_FOUND.
   */
  getEngine<Name extends keyof ConfiguredEngines<Section, Own>>(name: Name): ConfiguredEngines<Section, Own>[Name];
  getEngine(name?: string): Engine;
  getEngine(name?: string): Engine {
    if (name !== undefined && typeof name !== 'string')
      throw new StorageTypeError(`Expected the engine's name to be a string, got ${describeKind(name)}`);
    const wanted = name === undefined || name === '' ? this.#defaultEngine : name;
    const engine = this.#engines.get(wanted);
    if (engine === undefined) throw engineNotFound(wanted, [...this.#engines.keys()]);
    return engine;
  }

  /**
   * Adds an engine, one of your own or one made by hand, or replaces the engine of this name. An engine of your own is
   * wrapped once; `getEngine(name)` gives the wrapper, whose `target` is the original.
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
    // Nobody else would close the replaced engine.
    if (replaced !== undefined && replaced !== full && this.#own.delete(replaced))
      replaced[closeForGood]().catch((error: unknown) => this.#events.error(error, name));
    this.#engines.set(name, full);
    if (options?.own === true) this.#own.add(full);
    return this;
  }

  /**
   * Connects every engine, used or not, and rejects if one cannot be connected. So it makes the stores that are not
   * there. Without it engines connect on first use.
   */
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
   * Begins a transaction, which its `commit()` or `rollback()` ends. It does no I/O: the first call opens the engine,
   * and all reads see the moment of the first of them.
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
   * transaction, after a CONFLICT or another error that may pass. So the function may run several times, with whatever
   * it does besides its transaction.
   *
   * @returns What the function returned.
   * @throws Whatever the function throws, and whatever the commit rejects with once there are no more retries. Nothing
   * is written then, unless the error is UNKNOWN_OUTCOME or the function had committed by itself.
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
   * Hands the changes of keys to a function, a commit at a time, and keeps in the engine how far that is done. It goes
   * on there after a restart, whatever was changed meanwhile: each change is handed over at least once. Of all
   * consumers of a name, in all processes, one is at work. docs/consumers.md has the details.
   *
   * @param name - The identity of the consumer in its engine.
   * @param pattern - A glob over the keys.
   * @param handler - Is called with the events of a commit. They are done when it returns, or its promise resolves. If
   * it fails, it is called again.
   * @throws StorageTypeError for an argument or option of a wrong type; StorageError ENGINE_NOT_FOUND, CLOSED. Other
   * errors reject `ready` and `done` of the consumer.
   * @example
   * storage.consume('search-index', 'article:*', async (events) => {
   *   for (const event of events) await index.update(event.key, event.value);
   * });
   */
  consume<T = unknown>(
    name: string,
    pattern: string,
    handler: ConsumeHandler<T>,
    options?: ConsumeOptions<T>,
  ): Consumer {
    this.#refuseClosed('consume');
    if (typeof pattern !== 'string')
      throw new StorageTypeError(`Expected the pattern of consume to be a string, got ${describeKind(pattern)}`);
    const checked = checkedConsumeOptions(name, handler as ConsumeHandler, options as ConsumeOptions);
    const engine = this.getEngine(options?.engine) as InternalEngine;
    const told = options?.engine ?? this.#defaultEngine;
    const consumer = new Consumer({
      name,
      pattern,
      range: watchedRange(pattern),
      handler: handler as ConsumeHandler,
      options: checked,
      engine,
      onRetry: (event) => this.#events.retry(event),
      onFailure: (error) => this.#events.error(error, told),
    });
    this.#consumers.add(consumer);
    const forget = (): void => void this.#consumers.delete(consumer);
    consumer.done.then(forget, (error: unknown) => {
      forget();
      this.#events.error(error, told);
    });
    return consumer;
  }

  /**
   * Copies the records of one engine to another, with expiry and metadata, in steps: writes meanwhile may or may not be
   * copied. It leaves out the folders of the models. An abort between two steps keeps what was copied.
   *
   * @example
   * const { copied } = await storage.copy({ from: 'file', to: 'sqlite', prefix: 'users/' });
   */
  async copy(options: CopyOptions): Promise<CopyResult> {
    this.#refuseClosed('copy');
    checkOptions('copy', options, COPY_SHAPE);
    return copyRecords(this.#engineOf(options.from, 'from'), this.#engineOf(options.to, 'to'), options);
  }

  /**
   * Writes the records of an engine, with expiry and metadata, as JSON Lines (docs/formats/json-lines.md). It reads one
   * moment where the engine has snapshots, and leaves out the folders of the models. A failed or aborted export leaves
   * no file.
   *
   * @throws NOT_SUPPORTED for another format; IO, NO_SPACE; whatever the target fails with.
   * @example
   * await storage.export({ format: 'jsonl', target: './users.jsonl', from: 'sqlite', prefix: 'users/' });
   */
  async export(options: ExportOptions): Promise<ExportResult> {
    this.#refuseClosed('export');
    checkOptions('export', options, EXPORT_SHAPE);
    return exportRecords(this.#dataOf(options.from), options);
  }

  /**
   * Writes the records of JSON Lines to an engine, over those that have their keys, in batches: it is not atomic. A
   * line that is no record, or that the engine refuses, is reported and left out. What was written before an abort or a
   * failure stays. To have all or nothing, import into a transaction.
   *
   * @throws NOT_SUPPORTED for another format; whatever the source or the engine fails with.
   * @example
   * const { imported, refused } = await storage.import({ format: 'jsonl', source: './users.jsonl', to: 'sqlite' });
   */
  async import(options: ImportOptions): Promise<ImportResult> {
    this.#refuseClosed('import');
    checkOptions('import', options, IMPORT_SHAPE);
    return importRecords(this.#dataOf(options.to), options);
  }

  /**
   * Figures of the engines that are open, by name, and of the transactions.
   *
   * @example
   * const { sqlite, transactions } = await storage.stats();
   */
  async stats(options?: StorageStatsOptions): Promise<StorageStats> {
    this.#refuseClosed('stats');
    checkOptions('stats', options, ALL_SHAPE);
    const engines = await this.#ofEach((engine) => engine.stats(), options);
    return answered({ ...engines, transactions: this.#supervision.stats() } as StorageStats);
  }

  /**
   * Reads everything in the engines that are open and reports damage, by the engine's name.
   *
   * @example
   * const reports = await storage.verify({ all: true }); // opens the others, too
   */
  async verify(options?: StorageVerifyOptions): Promise<Record<string, VerifyReport>> {
    this.#refuseClosed('verify');
    checkOptions('verify', options, { ...VERIFY_SHAPE, ...ALL_SHAPE });
    const { all, ...each } = options ?? {};
    return this.#ofEach((engine) => engine.verify(each), { all });
  }

  /** Calls `listener` each time an event happens. */
  on<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.on(event, listener);
    return this;
  }

  /** Calls `listener` the next time an event happens. */
  once<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.once(event, listener);
    return this;
  }

  /** Removes a listener. */
  off<Event extends keyof StorageEvents>(event: Event, listener: (...args: StorageEvents[Event]) => void): this {
    this.#events.off(event, listener);
    return this;
  }

  /**
   * Closes the manager: new calls reject with CLOSED, running ones finish, open transactions are rolled back, iterators
   * and snapshots end with CLOSED, and loops over watches end. The engines that the manager made are closed; those that
   * it was given only if they were registered with `own: true`. Closing again does nothing.
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
    // A handler that is running may still need the engines.
    const consumers = [...this.#consumers];
    const handling = consumers.filter((consumer) => consumer.isHandling);
    const stops = consumers.map((consumer) => consumer.stop());
    if (handling.length > 0) await Promise.all(stops);
    // All closes begin in one step, so no call comes in between.
    const closes = [this.#supervision.close(), ...[...this.#own].map((engine) => engine[closeForGood]()), ...stops];
    const ends = await Promise.allSettled(closes);
    if (this.#clock !== undefined) removeClock(this.#clock);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  /** Asks the engines that are open. To ask another would open it, and so make its store. */
  async #ofEach<T>(
    ask: (engine: InternalEngine) => Promise<T>,
    options: StorageStatsOptions | undefined,
  ): Promise<Record<string, T>> {
    const isOpen = ({ status }: InternalEngine): boolean => status === 'connected' || status === 'connecting';
    const asked = [...this.#engines].filter(([, engine]) => options?.all === true || isOpen(engine));
    const answers = await Promise.all(asked.map(async ([name, engine]) => [name, await ask(engine)] as const));
    return answered(Object.fromEntries(answers));
  }

  #engineOf(engine: string | StorageEngine, option: string): InternalEngine {
    if (engine === undefined)
      throw new StorageTypeError(`Expected option ${option} of copy to be a string or an engine; it is missing`);
    return typeof engine === 'string' ? (this.getEngine(engine) as InternalEngine) : toEngine(engine);
  }

  #dataOf(data: string | StorageEngine | DataMethods | undefined): AccessibleData {
    return data === undefined || typeof data === 'string'
      ? (this.getEngine(data) as InternalEngine)
      : toDataMethods(data);
  }

  /** Lets the engine finish what a crash left there as it opens, before anything is read. */
  #recoverAtOpening(engine: InternalEngine, name: string): void {
    const done = (outcome: string): void => {
      const { problems, ...recovered } = JSON.parse(outcome) as RecoveredTransactions & { problems: unknown[] };
      const count = recovered.applied + recovered.dropped + recovered.undone;
      if (count > 0) {
        this.#supervision.recovered(count);
        this.#events.recovered(name, recovered);
      }
      for (const problem of problems)
        this.#events.error(addContext(fromNative(problem), { engine: name, operation: 'connect' }), name);
    };
    engine[connection].recovery = { folder: this.#logFolder, name, done };
  }

  #refuseClosed(operation: string): void {
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'The storage manager is closed', { operation });
  }
}
