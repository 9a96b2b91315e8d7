import { abortable } from '../../abort.js';
import { keyList } from '../../arguments/iterables.js';
import { checkOptions } from '../../arguments/options.js';
import { ABORT_SHAPE, VERIFY_SHAPE } from '../../arguments/shapes.js';
import { copyOf } from '../../codec/copy.js';
import { decode } from '../../codec/decode.js';
import { describeKind } from '../../codec/kinds.js';
import { rejection } from '../../errors/rejection.js';
import { StorageError, StorageTypeError } from '../../errors/storage-error.js';
import { access, connection, setHooks } from '../../internal.js';
import { PageIterator } from '../../iteration/page-iterator.js';
import type { PageSource } from '../../iteration/page-iterator.js';
import type { PageContent } from '../../native/interface.js';
import { toRange } from '../../range/range.js';
import type { InnerRange } from '../../range/range.js';
import { selectKeys } from '../../range/selection.js';
import type { Snapshot } from '../../snapshot.js';
import type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
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
import { JavaScriptFeed, JavaScriptWatchSource } from '../../watch/custom.js';
import { watching } from '../../watch/iterator.js';
import { checkedOptions, watchedRange } from '../../watch/options.js';
import type { CheckedOptions } from '../../watch/options.js';
import type { WatchIterator, WatchOptions } from '../../watch/types.js';
import { BaseStorageEngine } from '../base.js';
import type { DeclaredCapabilities, Engine, StorageEngine } from '../contract.js';
import type { Access } from '../data/access.js';
import { batchSteps, eachEntry } from '../data/batch.js';
import type { Step } from '../data/batch.js';
import { checkExpected, writeOptions } from '../data/write-options.js';
import type { WriteOptions } from '../data/write-options.js';
import { NO_HOOKS } from '../hooks.js';
import type { EngineHooks } from '../hooks.js';
import { UNCOUNTED, report } from '../report.js';
import { CallOrder } from './call-order.js';
import { CustomConnection } from './connection.js';
import { Target } from './engine-calls.js';
import { CustomHost } from './host.js';
import { checkUserKey, checkUserSteps, checkUserWrite } from './own-keys.js';

const PAGE_KEYS = 64;

/**
 * An engine of the user's own with every method an engine has. Its calls run one at a time, in the order they were made,
 * so that what takes several of its calls (`increment`, `batch`) is one step among the calls of this process.
 */
export class JavaScriptEngine extends BaseStorageEngine implements Engine {
  /** The engine that is wrapped. */
  readonly target: StorageEngine;
  readonly #calls: Target;
  readonly #declared: DeclaredCapabilities;
  readonly #feed = new JavaScriptFeed();
  #hooks: EngineHooks = NO_HOOKS;
  readonly #order = new CallOrder();
  readonly #connection: CustomConnection;
  readonly #access: Access;
  /** Counts disconnects: iterators of an earlier time have ended. */
  #use = 0;

  /** @internal */
  constructor(name: string, target: StorageEngine) {
    super(name);
    this.target = target;
    this.#declared = target.capabilities ?? {};
    this.#calls = new Target(target, name, this.#declared, this.#feed);
    this.#connection = this.#connectionFor(name);
    this.#access = {
      keys: (range) => this.#enqueue('keys', () => this.#select(range, 'keys')),
      count: (range) => this.#enqueue('count', async () => (await this.#select(range, 'count')).length),
      iterate: (range, what, strip) => this.#iterate(range, what, strip),
      clear: (range) =>
        this.#enqueue('clear', async () => {
          for (const key of await this.#select(range, 'clear')) await this.#calls.delete(key, 'clear');
        }),
      watch: (range, strip, options) => this.#watch(range, strip, options),
    };
  }

  /** {@inheritDoc Engine.capabilities} */
  get capabilities(): Capabilities {
    const { atomicBatch = false, atomicClear = false, timestamps = false, multiProcess = false } = this.#declared;
    return { snapshots: false, atomicBatch, atomicClear, timestamps, watch: 'process', multiProcess, sync: false };
  }

  /** {@inheritDoc DataMethods.get} */
  get<T = unknown>(key: string): Promise<T | null> {
    return this.#run(
      'get',
      () => checkUserKey(key, 'get'),
      () => this.#calls.get(key, 'get') as Promise<T | null>,
    );
  }

  /** {@inheritDoc DataMethods.set} */
  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    const check = (): [unknown, WriteOptions] => {
      checkUserWrite(key, 'set');
      return [this.#copy(value), this.#writeOptions('set', 'set', options)];
    };
    return this.#run(
      'set',
      check,
      async ([copy, write]) => {
        await this.#checkConditions(key, write);
        await this.#calls.set(key, copy, write, 'set');
      },
      options,
    );
  }

  /** {@inheritDoc DataMethods.delete} */
  delete(key: string): Promise<boolean> {
    return this.#run(
      'delete',
      () => checkUserWrite(key, 'delete'),
      () => this.#calls.delete(key, 'delete'),
    );
  }

  /** {@inheritDoc DataMethods.has} */
  has(key: string): Promise<boolean> {
    return this.#run(
      'has',
      () => checkUserKey(key, 'has'),
      () => this.#calls.has(key, 'has'),
    );
  }

  /** {@inheritDoc DataMethods.keys} */
  keys(query?: string | Range): Promise<string[]> {
    return this.#run(
      'keys',
      () => toRange(query, 'keys'),
      (range) => this.#select(range, 'keys'),
    );
  }

  /** {@inheritDoc DataMethods.count} */
  count(query?: string | Range): Promise<number> {
    return this.#run(
      'count',
      () => toRange(query, 'count'),
      async (range) => (await this.#select(range, 'count')).length,
    );
  }

  /** {@inheritDoc DataMethods.clear} */
  clear(): Promise<void> {
    return this.#enqueue('clear', async () => {
      await this.#calls.change('clear', undefined, () => this.target.clear());
      this.#feed.note({ type: 'clear' });
    });
  }

  /** {@inheritDoc DataMethods.entries} */
  entries<T = unknown>(query?: string | Range): StorageIterator<[string, T]> {
    return this.#iterateQuery(query, 'entries');
  }

  /** {@inheritDoc DataMethods.values} */
  values<T = unknown>(query?: string | Range): StorageIterator<T> {
    return this.#iterateQuery(query, 'values');
  }

  /** {@inheritDoc DataMethods.keysIterator} */
  keysIterator(query?: string | Range): StorageIterator<string> {
    return this.#iterateQuery(query, 'keys');
  }

  /** {@inheritDoc DataMethods.getMany} */
  getMany<T = unknown>(keys: Iterable<string>): Promise<(T | null)[]> {
    return this.#run(
      'getMany',
      () => keyList(keys, 'getMany', checkUserKey),
      async (list) => {
        const values: unknown[] = [];
        for (const key of list) values.push(await this.#calls.get(key, 'getMany'));
        return values as (T | null)[];
      },
    );
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    const check = (): Step[] => {
      const write = this.#writeOptions('setMany', 'setMany', options);
      const checks: Step[] = [];
      const sets: Step[] = [];
      eachEntry(entries, this.#hooks.maxValueBytes, (key, value) => {
        if (write.ifAbsent) checks.push({ type: 'check', key, version: null });
        sets.push({ type: 'set', key, value, write });
      });
      checkUserSteps(sets, 'setMany');
      return [...checks, ...sets];
    };
    return this.#run('setMany', check, (steps) => this.#apply(steps, 'setMany'), options);
  }

  /** {@inheritDoc DataMethods.deleteMany} */
  deleteMany(keys: Iterable<string>): Promise<number> {
    return this.#run(
      'deleteMany',
      () => keyList(keys, 'deleteMany', checkUserWrite),
      async (list) => {
        let count = 0;
        for (const key of list) if (await this.#calls.delete(key, 'deleteMany')) count++;
        return count;
      },
    );
  }

  /** {@inheritDoc DataMethods.batch} */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void> {
    const check = (): Step[] => {
      checkOptions('batch', options, ABORT_SHAPE);
      const steps = batchSteps(operations, this.#hooks.maxValueBytes);
      checkUserSteps(steps, 'batch');
      for (const step of steps) if (step.type === 'set') this.#calls.stored(step.write, 'batch');
      return steps;
    };
    return this.#run('batch', check, (steps) => this.#apply(steps, 'batch'), options);
  }

  /** {@inheritDoc DataMethods.compareAndSet} */
  compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult> {
    const check = (): [unknown, WriteOptions] => {
      checkUserWrite(key, 'compareAndSet');
      checkExpected(expected, 'compareAndSet');
      this.#needVersions('compareAndSet', key);
      return [this.#copy(value), this.#writeOptions('compareAndSet', 'record', options)];
    };
    return this.#run(
      'compareAndSet',
      check,
      async ([copy, write]) => {
        const stored = this.#calls.stored(write, 'compareAndSet');
        const done = await this.#calls.change('compareAndSet', key, () =>
          this.target.compareAndSet!(key, expected, copy, stored),
        );
        if (done.ok) this.#feed.note({ type: 'set', key, value: copy, version: done.version });
        return done;
      },
      options,
    );
  }

  /** {@inheritDoc DataMethods.increment} */
  increment(key: string, by: number = 1, options?: RecordOptions): Promise<number> {
    const check = (): WriteOptions => {
      checkUserWrite(key, 'increment');
      if (typeof by !== 'number')
        throw new StorageTypeError(`Expected what increment adds to be a number, got ${describeKind(by)}`, { key });
      return this.#writeOptions('increment', 'record', options);
    };
    return this.#run(
      'increment',
      check,
      async (write) => {
        const found = await this.#calls.get(key, 'increment');
        if (typeof found !== 'number' && (found !== null || (await this.#calls.has(key, 'increment')))) {
          throw new StorageTypeError('Expected the key to hold a number', {
            engine: this.name,
            operation: 'increment',
            key,
          });
        }
        const sum = (found ?? 0) + by;
        await this.#calls.set(key, sum, await this.#keeping(key, write), 'increment');
        return sum;
      },
      options,
    );
  }

  /** {@inheritDoc DataMethods.getEntry} */
  getEntry<T = unknown>(key: string): Promise<Entry<T> | null> {
    return this.#run(
      'getEntry',
      () => checkUserKey(key, 'getEntry'),
      () => this.#calls.getEntry(key, 'getEntry') as Promise<Entry<T> | null>,
    );
  }

  /** Rejects with NOT_SUPPORTED: an engine of a user's has no snapshots. */
  snapshot(): Promise<Snapshot> {
    return Promise.reject(this.#calls.notSupported('snapshots', 'snapshot'));
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

  /** Reads every key and reports those whose value is none. */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    const check = (): VerifyOptions => {
      checkOptions('verify', options, VERIFY_SHAPE);
      return { ...options };
    };
    return this.#run(
      'verify',
      check,
      async ({ signal, onProgress }) => {
        const errors: VerifyReport['errors'] = [];
        const keys = await this.#calls.keys('verify');
        for (const [done, key] of keys.entries()) {
          if (signal?.aborted === true) break; // whoever called has been told already
          await this.#calls.get(key, 'verify').catch((error: unknown) => {
            const { code, message } = error as StorageError;
            errors.push({ key, code, message });
          });
          report(onProgress, { phase: 'verify', done: done + 1, total: keys.length, bytes: null });
        }
        return { ok: errors.length === 0, checked: keys.length, errors };
      },
      options,
    );
  }

  /** Does nothing: how an engine of a user's keeps its data is its own business. */
  compact(): Promise<void> {
    return this.#enqueue('compact', () => Promise.resolve());
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

  /** Opens what the engine needs. */
  protected async doConnect(): Promise<void> {
    await this.#calls.call('connect', undefined, () => this.target.connect());
    await this.#order.change(false, () => this.#connection.recover());
  }

  /** Lets go of it. */
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

  #connectionFor(name: string): CustomConnection {
    const hooks = (): EngineHooks => this.#hooks;
    const isReady = (): boolean => this.isConnected;
    const owner = {
      name,
      connect: () => this.connect(),
      get hooks() {
        return hooks();
      },
      get isReady() {
        return isReady();
      },
    };
    return new CustomConnection(owner, new CustomHost(this.#calls, this.#order));
  }

  #copy(value: unknown): unknown {
    return copyOf(value, this.#hooks.maxValueBytes);
  }

  #writeOptions(operation: string, kind: 'set' | 'setMany' | 'record', options: SetOptions | undefined): WriteOptions {
    const write = writeOptions(operation, kind, options, this.#hooks.maxValueBytes);
    this.#calls.stored(write, operation);
    if (write.ifVersion !== undefined) this.#needVersions(operation);
    return write;
  }

  #needVersions(operation: string, key?: string): void {
    if (
      this.#declared.versions !== true ||
      this.target.compareAndSet === undefined ||
      this.target.getEntry === undefined
    ) {
      throw this.#calls.notSupported('versions', operation, key);
    }
  }

  async #checkConditions(
    key: string,
    { ifAbsent, ifVersion }: Pick<WriteOptions, 'ifAbsent' | 'ifVersion'>,
  ): Promise<void> {
    const holds = ifAbsent
      ? !(await this.#calls.has(key, 'set'))
      : ifVersion === undefined || (await this.#calls.getEntry(key, 'set'))?.version === ifVersion;
    if (!holds) throw new StorageError('CONFLICT', 'The key was changed by someone else', { engine: this.name, key });
  }

  /** Expiry and metadata stay where an increment gives none, if the engine can say what they are. */
  async #keeping(key: string, write: WriteOptions): Promise<WriteOptions> {
    const { ttl, metadata } = this.#declared;
    if ((ttl !== true && metadata !== true) || this.target.getEntry === undefined) return write;
    const found = await this.#calls.getEntry(key, 'increment');
    if (found === null) return write;
    const kept = writeOptions('increment', 'record', {
      metadata: found.metadata ?? undefined,
      expiresAt: found.expiresAt ?? undefined,
    });
    return { ...write, expiresAt: write.expiresAt ?? kept.expiresAt, metadata: write.metadata ?? kept.metadata };
  }

  async #apply(steps: Step[], operation: string): Promise<void> {
    if (this.#calls.atomicBatch)
      return this.#calls.batch(
        steps.map((step) => this.#toOperation(step, operation)),
        operation,
      );
    for (const step of steps)
      if (step.type === 'check' && step.version !== null) this.#needVersions(operation, step.key);
    for (const step of steps) {
      if (step.type === 'check')
        await this.#checkConditions(step.key, {
          ifAbsent: step.version === null,
          ifVersion: step.version ?? undefined,
        });
    }
    for (const step of steps) {
      if (step.type === 'set') await this.#calls.set(step.key, decode(step.value), step.write, operation);
      else if (step.type === 'delete') await this.#calls.delete(step.key, operation);
    }
  }

  #toOperation(step: Step, operation: string): BatchOperation {
    if (step.type !== 'set') return step;
    return { type: 'set', key: step.key, value: decode(step.value), ...this.#calls.stored(step.write, operation) };
  }

  async #select(range: InnerRange, operation: string): Promise<string[]> {
    return selectKeys(await this.#calls.keys(operation), range);
  }

  #iterateQuery<T>(query: string | Range | undefined, what: PageContent): StorageIterator<T> {
    try {
      return this.#iterate(toRange(query, what), what, 0);
    } catch (error) {
      return new PageIterator<T>(() => this.#reject(error, what));
    }
  }

  #iterate<T>(range: InnerRange, what: PageContent, strip: number): StorageIterator<T> {
    return new PageIterator<T>(async () =>
      this.#source(await this.#enqueue(what, () => this.#select(range, what)), what, strip),
    );
  }

  /** Pages of keys that were listed already; keys that went meanwhile are left out. */
  #source<T>(keys: string[], what: PageContent, strip: number): PageSource<T> {
    const use = this.#use;
    let at = 0;
    const fault = (): Error | undefined => (use === this.#use ? undefined : this.closedError(what));
    const page = async (): Promise<{ items: T[]; next: string | null }> => {
      const gone = fault();
      if (gone !== undefined) throw gone;
      const part = keys.slice(at, (at += PAGE_KEYS));
      const items: unknown[] = [];
      for (const key of part) {
        const name = key.slice(strip);
        if (what === 'keys') items.push(name);
        else {
          const value = await this.#calls.get(key, what);
          if (value === null && !(await this.#calls.has(key, what))) continue;
          items.push(what === 'entries' ? [name, value] : value);
        }
      }
      return { items: items as T[], next: at < keys.length ? String(at) : null };
    };
    return { page: () => this.#enqueue(what, page), close() {}, fault };
  }

  #watch<T>(range: InnerRange, strip: number, options: CheckedOptions): JavaScriptWatchSource<T> {
    if (this.status === 'closed') throw this.closedError('watch');
    return new JavaScriptWatchSource<T>(this.name, this.#feed, range, strip, options);
  }

  /** Checks at once, then runs behind the calls made before. */
  #run<A, T>(operation: string, check: () => A, run: (checked: A) => Promise<T>, options?: AbortOptions): Promise<T> {
    let checked: A;
    let signal: AbortSignal | undefined;
    try {
      checked = check();
      signal = options?.signal; // an accessor of the caller's may throw
    } catch (error) {
      return this.#reject(error, operation);
    }
    let dropped = false;
    const start = (): Promise<T> => this.#enqueue(operation, () => (dropped ? (undefined as never) : run(checked)));
    return abortable(signal, this.name, operation, start, () => (dropped = true));
  }

  #enqueue<T>(operation: string, run: () => Promise<T>): Promise<T> {
    if (this.status === 'closed') return Promise.reject(this.closedError(operation));
    const connected = this.isConnected ? undefined : this.connect();
    connected?.catch(() => {}); // the call itself is told when its turn comes
    const result = this.#order
      .run(async () => {
        await connected;
        return run();
      })
      .finally(() => this.#feed.flush());
    return result.catch((error: unknown) => this.#reject(error, operation));
  }

  #reject(error: unknown, operation: string): Promise<never> {
    return rejection(error, { engine: this.name, operation });
  }
}
