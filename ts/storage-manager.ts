import { EventEmitter } from 'node:events';
import { inspect } from 'node:util';
import { boolean, checkOptions, nonEmptyString } from './arguments.js';
import { describeKind } from './codec/kinds.js';
import { checkConfig, configuredEngines, maxValueBytesOf } from './config.js';
import type { StorageConfig } from './config.js';
import { copyRecords } from './copy.js';
import type { CopyOptions, CopyResult } from './copy.js';
import { BaseStorageEngine, closeEngine } from './engines/base.js';
import type { Engine, StorageEngine } from './engines/contract.js';
import type { EngineHooks, RetryEvent } from './engines/hooks.js';
import { JavaScriptEngine, hookJavaScriptEngine } from './engines/javascript.js';
import { hookEngine } from './engines/native.js';
import { COPY_SHAPE, VERIFY_SHAPE } from './engines/shapes.js';
import { toEngine } from './engines/wrap.js';
import { StorageError, StorageTypeError } from './errors.js';
import { KeyValueStore } from './models/key-value-store.js';
import { retryPolicy } from './retry.js';
import type { EngineStats, VerifyOptions, VerifyReport } from './types.js';

/** What {@link StorageManager} tells its listeners. */
export interface StorageEvents {
  /** An engine could not be connected for calls that were waiting; they reject too. Without a listener nothing is thrown. */
  error: [error: unknown, engine: string];
  /** A read failed with a retryable error and is made again. */
  retry: [event: RetryEvent];
  /** An engine is connected again after a disconnect. */
  reconnect: [engine: string];
  /** What a crashed process had left half done was finished or undone. */
  recovered: [engine: string];
}

/** Which engine a model uses. */
export interface ModelOptions {
  /** The engine's name. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
}

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
  readonly #engines = new Map<string, Engine>();
  readonly #own = new Set<Engine>();
  readonly #events = new EventEmitter<StorageEvents>();
  readonly #hooks: EngineHooks;
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
    for (const [name, engine] of configuredEngines(config)) {
      hookEngine(engine, this.#hooks);
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
    if (name !== undefined && typeof name !== 'string') throw new StorageTypeError(`Expected the engine's name to be a string, got ${describeKind(name)}`);
    const wanted = name === undefined || name === '' ? this.#defaultEngine : name;
    const engine = this.#engines.get(wanted);
    if (engine === undefined) throw new StorageError('ENGINE_NOT_FOUND', `Storage engine not found: ${wanted}`, { engine: wanted });
    return engine;
  }

  /**
   * Adds an engine, one of your own or one made by hand, or replaces what has this name. One of your own is wrapped once;
   * `getEngine(name)` gives the wrapper, whose `target` is the original.
   *
   * @throws StorageTypeError if `engine` lacks one of the eight methods.
   */
  registerEngine(name: string, engine: StorageEngine, options?: RegisterOptions): this {
    if (typeof name !== 'string' || name === '') throw new StorageTypeError(`Expected the engine's name to be a non-empty string, got ${describeKind(name)}`);
    checkOptions('registerEngine', options, { own: boolean });
    this.#refuseClosed('registerEngine');
    const full = toEngine(engine, name);
    if (full instanceof JavaScriptEngine) hookJavaScriptEngine(full, this.#hooks);
    const replaced = this.#engines.get(name);
    // Nobody else would close it any more.
    if (replaced !== undefined && replaced !== full && this.#own.delete(replaced)) this.#end(replaced).catch((error: unknown) => this.#fail(error, name));
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

  /** Figures of every engine, by name. */
  async stats(): Promise<Record<string, EngineStats>> {
    this.#refuseClosed('stats');
    return this.#ofEach((engine) => engine.stats());
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
   * Ends it all: new calls reject with CLOSED, running ones finish, iterators and snapshots end, and the engines the
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
    const ends = await Promise.allSettled([...this.#own].map((engine) => this.#end(engine)));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  #end(engine: Engine): Promise<void> {
    return engine instanceof BaseStorageEngine ? closeEngine(engine) : engine.disconnect();
  }

  async #ofEach<T>(ask: (engine: Engine) => Promise<T>): Promise<Record<string, T>> {
    const answers = await Promise.all([...this.#engines].map(async ([name, engine]) => [name, await ask(engine)] as const));
    return Object.fromEntries(answers);
  }

  #engineOf(engine: string | StorageEngine, option: string): Engine {
    if (engine === undefined) throw new StorageTypeError(`Expected option ${option} of copy to be a string or an engine; it is missing`);
    return typeof engine === 'string' ? this.getEngine(engine) : toEngine(engine);
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
  throw new StorageTypeError(`Expected an event to be one of ${EVENTS.join(', ')}, got ${typeof event === 'string' ? `'${event}'` : describeKind(event)}`);
}

function checkListener<Listener>(listener: Listener): Listener {
  if (typeof listener === 'function') return listener;
  throw new StorageTypeError(`Expected a listener to be a function, got ${describeKind(listener)}`);
}
