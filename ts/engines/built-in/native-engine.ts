import { ENGINE_METHODS, refuseExtraArguments } from '../../arguments/arity.js';
import { checkKey, checkWritableKey } from '../../arguments/keys.js';
import { checkOptions } from '../../arguments/options.js';
import { VERIFY_SHAPE } from '../../arguments/shapes.js';
import { rejection } from '../../errors/rejection.js';
import { StorageError } from '../../errors/storage-error.js';
import { access, connection, markConnected, setHooks } from '../../internal.js';
import { VERBS } from '../../native/interface.js';
import type { NativeStore, NativeValue } from '../../native/interface.js';
import { abortableCall } from '../../native/lease-source.js';
import type { OpenRequest } from '../../native/open.js';
import { decodeFound } from '../../native/results.js';
import type { InnerRange } from '../../range/range.js';
import { Snapshot } from '../../snapshot.js';
import { noteWrite } from '../../transactions/own-writes.js';
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
import { watching } from '../../watch/iterator.js';
import { NativeWatchSource } from '../../watch/native-source.js';
import { checkedOptions, watchedRange } from '../../watch/options.js';
import type { CheckedOptions } from '../../watch/options.js';
import type { WatchIterator, WatchOptions } from '../../watch/types.js';
import { BaseStorageEngine } from '../base.js';
import type { Engine } from '../contract.js';
import type { Access } from '../data/access.js';
import { encodeAt } from '../data/batch.js';
import { NativeData } from '../data/native-data.js';
import { writeOptions } from '../data/write-options.js';
import type { EngineHooks } from '../hooks.js';
import { progressListener, toReport, toStats } from '../report.js';
import { Connection } from './connection.js';

/** How a built-in engine differs from the others. */
export interface NativeTraits {
  readonly open: OpenRequest;
  /** The abilities before the store is open. Those of the open store replace them. */
  readonly capabilities: Capabilities;
  /** Whether a disconnect keeps the store, because it lives in memory. */
  readonly keeps: boolean;
}

/** The base of the built-in engines. Each call goes to the addon, inline if the addon answers at once, else queued. */
export abstract class NativeEngine<Config> extends BaseStorageEngine<Config> implements Engine {
  readonly #connection: Connection;
  readonly #data: NativeData;
  readonly #access: Access;
  #capabilities: Capabilities;

  static {
    refuseExtraArguments(this, ENGINE_METHODS);
  }

  /** @internal */
  constructor(config: Config, { open, capabilities, keeps }: NativeTraits) {
    super(open.engine, config);
    this.#connection = new Connection(
      {
        name: this.name,
        closed: () => this.status === 'closed',
        connect: () => this.connect(),
        openedSync: () => this[markConnected](),
        opened: (text) => (this.#capabilities = { ...capabilities, ...(JSON.parse(text) as Capabilities) }),
      },
      open,
      keeps,
    );
    this.#capabilities = capabilities;
    this.#data = new NativeData(this.#connection);
    this.#access = {
      ...this.#data[access],
      watch: <T>(range: InnerRange, strip: number, options: CheckedOptions) =>
        new NativeWatchSource<T>(this.#connection, range, strip, options),
    };
  }

  /** {@inheritDoc Engine.capabilities} */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  /** {@inheritDoc DataMethods.get} */
  get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null> {
    return this.#data.get<T>(key, options);
  }

  /** {@inheritDoc DataMethods.set} */
  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    return this.#data.set(key, value, options);
  }

  /** {@inheritDoc DataMethods.delete} */
  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return this.#data.delete(key, options);
  }

  /** {@inheritDoc DataMethods.has} */
  has(key: string, options?: AbortOptions): Promise<boolean> {
    return this.#data.has(key, options);
  }

  /** {@inheritDoc DataMethods.keys} */
  keys(query?: string | Range, options?: AbortOptions): Promise<string[]> {
    return this.#data.keys(query, options);
  }

  /** {@inheritDoc DataMethods.count} */
  count(query?: string | Range, options?: AbortOptions): Promise<number> {
    return this.#data.count(query, options);
  }

  /** {@inheritDoc DataMethods.clear} */
  clear(query?: string | Range, options?: AbortOptions): Promise<void> {
    return this.#data.clear(query, options);
  }

  /** {@inheritDoc DataMethods.entries} */
  entries<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<[string, T]> {
    return this.#data.entries<T>(query, options);
  }

  /** {@inheritDoc DataMethods.values} */
  values<T = unknown>(query?: string | Range, options?: AbortOptions): StorageIterator<T> {
    return this.#data.values<T>(query, options);
  }

  /** {@inheritDoc DataMethods.keysIterator} */
  keysIterator(query?: string | Range, options?: AbortOptions): StorageIterator<string> {
    return this.#data.keysIterator(query, options);
  }

  /** {@inheritDoc DataMethods.getMany} */
  getMany<T = unknown>(keys: Iterable<string>, options?: AbortOptions): Promise<(T | null)[]> {
    return this.#data.getMany<T>(keys, options);
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    return this.#data.setMany(entries, options);
  }

  /** {@inheritDoc DataMethods.deleteMany} */
  deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number> {
    return this.#data.deleteMany(keys, options);
  }

  /** {@inheritDoc DataMethods.batch} */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void> {
    return this.#data.batch(operations, options);
  }

  /** {@inheritDoc DataMethods.compareAndSet} */
  compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult> {
    return this.#data.compareAndSet(key, expected, value, options);
  }

  /** {@inheritDoc DataMethods.increment} */
  increment(key: string, by?: number, options?: RecordOptions): Promise<number> {
    return this.#data.increment(key, by, options);
  }

  /** {@inheritDoc DataMethods.getEntry} */
  getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null> {
    return this.#data.getEntry<T>(key, options);
  }

  /** {@inheritDoc Engine.snapshot} */
  snapshot(): Promise<Snapshot> {
    if (!this.capabilities.snapshots) {
      return rejection(new StorageError('NOT_SUPPORTED', `The engine ${this.name} has no snapshots`), {
        engine: this.name,
        operation: 'snapshot',
      });
    }
    return this.#connection
      .withLease('snapshot', (lease) => lease.openView('snapshot'))
      .then((view) => new Snapshot(view));
  }

  /** {@inheritDoc Engine.watch} */
  watch<T = unknown>(pattern?: string, options?: WatchOptions): WatchIterator<T> {
    return watching(
      () => new NativeWatchSource<T>(this.#connection, watchedRange(pattern), 0, checkedOptions(options)),
    );
  }

  /** {@inheritDoc Engine.stats} */
  stats(): Promise<EngineStats> {
    return this.#connection
      .withLease('stats', (lease) => lease.stats())
      .then((text) => toStats(text, this.#connection.retries));
  }

  /** {@inheritDoc Engine.verify} */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.#try('verify', () => {
      checkOptions('verify', options, VERIFY_SHAPE);
      const { repair = false, signal, onProgress } = options ?? {};
      const listener = progressListener('verify', onProgress);
      return abortableCall(this.#connection, 'verify', signal, (lease, handle) =>
        lease.verify(repair, listener, handle),
      ).then(toReport);
    });
  }

  /** {@inheritDoc Engine.compact} */
  compact(): Promise<void> {
    return this.#connection.withLease('compact', (lease) => lease.compact());
  }

  /** {@inheritDoc Engine.getSync} */
  getSync<T = unknown>(key: string): T | null {
    checkKey(key, 'getSync');
    return this.#sync('getSync', key, (store) => decodeFound<T>(store.callSync(VERBS.get, key) as NativeValue | null));
  }

  /** {@inheritDoc Engine.hasSync} */
  hasSync(key: string): boolean {
    checkKey(key, 'hasSync');
    return this.#sync('hasSync', key, (store) => store.callSync(VERBS.has, key) as boolean);
  }

  /** {@inheritDoc Engine.setSync} */
  setSync(key: string, value: unknown, options?: Omit<RecordOptions, 'signal'>): void {
    checkWritableKey(key, 'setSync');
    const { expiresAt, metadata } = writeOptions(
      'setSync',
      'record',
      options,
      this.#connection.rules,
      this.#connection.now,
    );
    const encoded = encodeAt(key, value, this.#connection.rules);
    noteWrite(this.#connection, key);
    this.#sync('setSync', key, (store) => store.setSync(key, encoded, expiresAt, metadata));
  }

  /** {@inheritDoc Engine.deleteSync} */
  deleteSync(key: string): boolean {
    checkWritableKey(key, 'deleteSync');
    noteWrite(this.#connection, key);
    return this.#sync('deleteSync', key, (store) => store.callSync(VERBS.delete, key) as boolean);
  }

  /** Opens the store. */
  protected doConnect(): Promise<void> {
    return this.#connection.open();
  }

  /** Closes the store. */
  protected doDisconnect(): Promise<void> {
    return this.#connection.finish();
  }

  /** @internal */
  protected override doClose(): Promise<void> {
    return this.#connection.close();
  }

  /** @internal */
  get [access](): Access {
    return this.#access;
  }

  /** @internal */
  get [connection](): Connection {
    return this.#connection;
  }

  /** @internal */
  [setHooks](hooks: EngineHooks): void {
    this.#connection.hooks = hooks;
  }

  #sync<T>(operation: string, key: string, run: (store: NativeStore) => T): T {
    if (!this.capabilities.sync) {
      throw new StorageError('NOT_SUPPORTED', `The engine ${this.name} has no synchronous calls`, {
        engine: this.name,
        operation,
        key,
      });
    }
    const lease = this.#connection.openNow(operation);
    try {
      return run(lease.store);
    } catch (error) {
      throw lease.explain(error, operation, key);
    }
  }

  /** Turns what `run` throws into a rejection. */
  #try<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return run();
    } catch (error) {
      return rejection(error, { engine: this.name, operation });
    }
  }
}
