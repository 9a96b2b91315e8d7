import { refused } from '../../answers.js';
import { ENGINE_METHODS, refuseExtraArguments } from '../../arguments/arity.js';
import { keyList } from '../../arguments/iterables.js';
import { checkOptions } from '../../arguments/options.js';
import { VERIFY_SHAPE, signalOf } from '../../arguments/shapes.js';
import { StorageError } from '../../errors/storage-error.js';
import { access, connection, setHooks } from '../../internal.js';
import { PageIterator } from '../../iteration/page-iterator.js';
import type { PageContent } from '../../native/interface.js';
import { callModel } from '../../native/lease-source.js';
import { toEngineDeletion } from '../../range/deletion.js';
import { toRange } from '../../range/range.js';
import type { InnerRange } from '../../range/range.js';
import type { Snapshot } from '../../snapshot.js';
import type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
  DeleteOptions,
  EngineStats,
  Entry,
  Range,
  RecordOptions,
  SetManyOptions,
  SetOptions,
  StorageIterator,
  VerifyOptions,
  VerifyReport,
} from '../../types.js';
import { CustomFeed } from '../../watch/custom-feed.js';
import { CustomWatchSource } from '../../watch/custom-source.js';
import { watching } from '../../watch/iterator.js';
import { checkedOptions, watchedRange } from '../../watch/options.js';
import type { CheckedOptions } from '../../watch/options.js';
import type { WatchIterator, WatchOptions } from '../../watch/types.js';
import { BaseStorageEngine } from '../base.js';
import type { Engine, StorageEngine } from '../contract.js';
import type { Access } from '../data/access.js';
import { NO_HOOKS } from '../hooks.js';
import type { EngineHooks } from '../hooks.js';
import { UNCOUNTED } from '../report.js';
import { WriteArguments } from './arguments.js';
import { CallOrder } from './call-order.js';
import { CallRunner } from './call-runner.js';
import { CompoundCalls } from './compound-calls.js';
import { CustomConnection } from './connection.js';
import { EngineCalls } from './engine-calls.js';
import { CustomHost } from './host.js';
import { KeyPages } from './key-pages.js';
import { checkUserKey, checkUserWrite } from './own-keys.js';

/**
 * A custom engine with every method an engine has. Its calls run one at a time, in the order they were made. So a
 * method that takes several of its calls (`increment`, `batch`) is one step among the calls of this process.
 */
export class JavaScriptEngine extends BaseStorageEngine implements Engine {
  /** The engine that is wrapped. */
  readonly target: StorageEngine;
  readonly #feed = new CustomFeed();
  readonly #order = new CallOrder();
  readonly #calls: EngineCalls;
  readonly #compound: CompoundCalls;
  readonly #arguments: WriteArguments;
  readonly #runner: CallRunner;
  readonly #connection: CustomConnection;
  readonly #access: Access;
  #hooks: EngineHooks = NO_HOOKS;

  static {
    refuseExtraArguments(this, ENGINE_METHODS);
  }

  /** Counts disconnects, which end the iterators made before. */
  #use = 0;

  /** @internal */
  constructor(name: string, target: StorageEngine) {
    super(name);
    this.target = target;
    this.#calls = new EngineCalls(target, name, this.#feed);
    this.#compound = new CompoundCalls(this.#calls);
    const owner = this.#owner(name);
    this.#arguments = new WriteArguments(this.#calls, owner);
    this.#runner = new CallRunner(owner, this.#order, this.#feed);
    this.#connection = new CustomConnection(owner, new CustomHost(this.#calls, this.#order));
    this.#calls.store = this.#connection;
    this.#access = {
      keys: (range, signal) => this.#runner.queue('keys', signal, () => this.#compound.select(range, 'keys')),
      count: (range, signal) => this.#runner.queue('count', signal, () => this.#compound.count(range)),
      iterate: (range, what, strip, signal) => this.#iterate(range, what, strip, signal),
      clear: (range, signal) => this.#runner.queue('clear', signal, () => this.#compound.clear(range)),
      maxValueBytes: () => this.#hooks.rules.maxBytes,
      model: (operation, request, options) => callModel(this.#connection, operation, request, options),
      watch: (range, strip, options) => this.#watch(range, strip, options),
    };
  }

  /** {@inheritDoc Engine.capabilities} */
  get capabilities(): Capabilities {
    const { atomicBatch = false, atomicClear = false, timestamps = false, multiProcess = false } = this.#calls.declared;
    return { snapshots: false, atomicBatch, atomicClear, timestamps, watch: 'process', multiProcess, sync: false };
  }

  /** {@inheritDoc DataMethods.get} */
  get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null> {
    const check = () => checkUserKey(key, 'get');
    return this.#runner.read('get', check, () => this.#calls.get(key, 'get') as Promise<T | null>, options);
  }

  /** {@inheritDoc DataMethods.set} */
  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    const check = () => this.#arguments.set(key, value, options);
    return this.#runner.run('set', check, ([copy, write]) => this.#compound.set(key, copy, write), options);
  }

  /** {@inheritDoc DataMethods.delete} */
  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    const check = () => this.#arguments.delete(key, options);
    return this.#runner.run('delete', check, (ifVersion) => this.#compound.delete(key, ifVersion), options);
  }

  /** {@inheritDoc DataMethods.has} */
  has(key: string, options?: AbortOptions): Promise<boolean> {
    const check = () => checkUserKey(key, 'has');
    return this.#runner.read('has', check, () => this.#calls.has(key, 'has'), options);
  }

  /** {@inheritDoc DataMethods.keys} */
  keys(query?: string | Range, options?: AbortOptions): Promise<string[]> {
    const check = () => toRange(query, 'keys');
    return this.#runner.read('keys', check, (range) => this.#compound.select(range, 'keys'), options);
  }

  /** {@inheritDoc DataMethods.count} */
  count(query?: string | Range, options?: AbortOptions): Promise<number> {
    const check = () => toRange(query, 'count');
    return this.#runner.read('count', check, (range) => this.#compound.count(range), options);
  }

  /** {@inheritDoc DataMethods.clear} */
  clear(query?: string | Range, options?: AbortOptions): Promise<void> {
    const check = () => (query === undefined ? undefined : toEngineDeletion(query, 'clear'));
    const clear = (range: InnerRange | undefined): Promise<void> =>
      range === undefined ? this.#calls.clear() : this.#compound.clear(range);
    return this.#runner.read('clear', check, clear, options);
  }

  /** {@inheritDoc DataMethods.entries} */
  entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]> {
    return this.#iterateQuery(query, 'entries', options);
  }

  /** {@inheritDoc DataMethods.values} */
  values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T> {
    return this.#iterateQuery(query, 'values', options);
  }

  /** {@inheritDoc DataMethods.keysIterator} */
  keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string> {
    return this.#iterateQuery(query, 'keys', options);
  }

  /** {@inheritDoc DataMethods.getMany} */
  getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]> {
    const check = () => keyList(keys, 'getMany', checkUserKey);
    const getMany = (list: string[]) => this.#compound.getMany(list) as Promise<(T | null)[]>;
    return this.#runner.read('getMany', check, getMany, options);
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    const check = () => this.#arguments.setMany(entries, options);
    return this.#runner.run('setMany', check, (steps) => this.#compound.apply(steps, 'setMany'), options);
  }

  /** {@inheritDoc DataMethods.deleteMany} */
  deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number> {
    const check = () => keyList(keys, 'deleteMany', checkUserWrite);
    return this.#runner.read('deleteMany', check, (list) => this.#compound.deleteMany(list), options);
  }

  /** {@inheritDoc DataMethods.batch} */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void> {
    const check = () => this.#arguments.batch(operations, options);
    return this.#runner.run('batch', check, (steps) => this.#compound.apply(steps, 'batch'), options);
  }

  /** {@inheritDoc DataMethods.compareAndSet} */
  compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult> {
    const check = () => this.#arguments.compareAndSet(key, expected, value, options);
    return this.#runner.run(
      'compareAndSet',
      check,
      ([copy, write]) => this.#calls.compareAndSet(key, expected, copy, write),
      options,
    );
  }

  /** {@inheritDoc DataMethods.increment} */
  increment(key: string, by: number = 1, options?: RecordOptions): Promise<number> {
    const check = () => this.#arguments.increment(key, by, options);
    return this.#runner.run('increment', check, (write) => this.#compound.increment(key, by, write), options);
  }

  /** {@inheritDoc DataMethods.getEntry} */
  getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null> {
    const check = () => checkUserKey(key, 'getEntry');
    const getEntry = () => this.#calls.getEntry(key, 'getEntry') as Promise<Entry<T> | null>;
    return this.#runner.read('getEntry', check, getEntry, options);
  }

  /** Rejects with NOT_SUPPORTED: a custom engine has no snapshots. */
  snapshot(): Promise<Snapshot> {
    return refused(this.#calls.notSupported('snapshots', 'snapshot'));
  }

  /** {@inheritDoc Engine.watch} Changes made past this object are not seen, and there is no `since`. */
  watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T> {
    return watching(() => this.#watch<T>(watchedRange(pattern), 0, checkedOptions(options)));
  }

  /** {@inheritDoc Engine.stats} */
  async stats(): Promise<EngineStats> {
    return {
      keys: await this.count(),
      memoryBytes: null,
      diskBytes: null,
      commit: null,
      logFloor: null,
      counters: { ...UNCOUNTED },
      details: {},
    };
  }

  /** Reads every key and reports those whose value is no storable value. */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    const check = () => {
      checkOptions('verify', options, VERIFY_SHAPE);
      return { ...options };
    };
    return this.#runner.run('verify', check, (checked) => this.#compound.verify(checked), options);
  }

  /** Does nothing: a custom engine keeps its data as it likes. */
  compact(): Promise<void> {
    return this.#runner.enqueue('compact', () => Promise.resolve());
  }

  /** Throws NOT_SUPPORTED. */
  getSync<T = unknown>(key: string): T | null {
    throw this.#calls.notSupported('synchronous calls', 'getSync', key);
  }

  /** Throws NOT_SUPPORTED. */
  hasSync(key: string): boolean {
    throw this.#calls.notSupported('synchronous calls', 'hasSync', key);
  }

  /** Throws NOT_SUPPORTED. */
  setSync(key: string): void {
    throw this.#calls.notSupported('synchronous calls', 'setSync', key);
  }

  /** Throws NOT_SUPPORTED. */
  deleteSync(key: string): boolean {
    throw this.#calls.notSupported('synchronous calls', 'deleteSync', key);
  }

  /** Connects the wrapped engine. */
  protected async doConnect(): Promise<void> {
    await this.#calls.call('connect', undefined, () => this.target.connect());
    await this.#order.change(false, () => this.#connection.recover());
  }

  /** Disconnects the wrapped engine. */
  protected async doDisconnect(): Promise<void> {
    this.#use++;
    this.#feed.end(
      new StorageError('CLOSED', 'The engine was closed or disconnected meanwhile', {
        engine: this.name,
        operation: 'watch',
      }),
    );
    await this.#order.change(true, () => this.#connection.finish());
    await this.#calls.call('disconnect', undefined, () => this.target.disconnect());
  }

  /** @internal */
  get [access](): Access {
    return this.#access;
  }

  /** @internal */
  get [connection](): CustomConnection {
    return this.#connection;
  }

  /** @internal */
  [setHooks](hooks: EngineHooks): void {
    this.#hooks = hooks;
  }

  /** The part of this engine that the runner and the connection need. */
  #owner(name: string) {
    const hooks = (): EngineHooks => this.#hooks;
    const isReady = (): boolean => this.isConnected;
    const isClosed = (): boolean => this.status === 'closed';
    return {
      name,
      connect: () => this.connect(),
      closedError: (operation: string) => this.closedError(operation),
      get hooks() {
        return hooks();
      },
      get isReady() {
        return isReady();
      },
      get isClosed() {
        return isClosed();
      },
    };
  }

  #iterateQuery<T>(
    query: string | Range | undefined,
    what: PageContent,
    options: AbortOptions | undefined,
  ): StorageIterator<T> {
    try {
      return this.#iterate(toRange(query, what), what, 0, signalOf(what, options));
    } catch (error) {
      return new PageIterator<T>(() => this.#runner.reject(error, what));
    }
  }

  #iterate<T>(
    range: InnerRange,
    what: PageContent,
    strip: number,
    signal: AbortSignal | undefined,
  ): StorageIterator<T> {
    const open = async (): Promise<KeyPages<T>> => {
      const keys = await this.#runner.enqueue(what, () => this.#compound.select(range, what));
      const use = this.#use;
      const fault = (): Error | undefined => (use === this.#use ? undefined : this.closedError(what));
      return new KeyPages<T>(this.#calls, this.#runner, keys, what, strip, fault);
    };
    return new PageIterator<T>(open, Infinity, signal && { signal, engine: this.name, operation: what });
  }

  #watch<T>(range: InnerRange, strip: number, options: CheckedOptions): CustomWatchSource<T> {
    if (this.status === 'closed') throw this.closedError('watch');
    return new CustomWatchSource<T>(this, this.#feed, range, strip, options);
  }
}
