import { Buffer } from 'node:buffer';
import { checkKey, checkOptions } from '../arguments.js';
import { describeKind } from '../codec/kinds.js';
import { decode } from '../codec/decode.js';
import { encode } from '../codec/encode.js';
import { StorageError, StorageTypeError, isStorageError } from '../errors.js';
import { PageIterator } from '../iterator.js';
import { CLEAR_TEXT, addText, checkText, clearRangeText, deleteText, keysText, setText } from '../native/batch-text.js';
import type { NativeValue, PageContent } from '../native/interface.js';
import type { Lease } from '../native/lease.js';
import type { OpenRequest } from '../native/open.js';
import { ViewSource } from '../native/source.js';
import type { ReadOperation } from '../native/view.js';
import { rejection } from '../rejection.js';
import { progressListener, toReport, toStats } from '../report.js';
import { Snapshot } from '../snapshot.js';
import type {
  AbortOptions, BatchOperation, Capabilities, CompareAndSetResult, EngineStats, Entry, Range, RecordOptions, SetManyOptions, SetOptions,
  StorageIterator, VerifyOptions, VerifyReport,
} from '../types.js';
import { grantAccess } from './access.js';
import { BaseStorageEngine, markConnected } from './base.js';
import { batchText, eachEntry, encodeAt } from './batch.js';
import { Connection } from './connection.js';
import type { Engine } from './contract.js';
import type { EngineHooks } from './hooks.js';
import { ABORT_SHAPE, VERIFY_SHAPE, checkExpected, checkWritableKey, keyList, rangeText, toRange, writeOptions } from './shapes.js';
import type { InnerRange } from './shapes.js';

/** Gives an engine what its manager decides. */
export let hookEngine: (engine: NativeEngine<unknown>, hooks: EngineHooks) => void;

/** What a built-in engine is besides its options. */
export interface NativeTraits {
  readonly open: OpenRequest;
  /** What holds before the store is open; the store knows better. */
  readonly capabilities: Capabilities;
  /** Whether a disconnect keeps the store, as it lives in memory. */
  readonly keeps: boolean;
}

/** The built-in engines: each call goes to the addon, inline where it answers at once, else queued. */
export abstract class NativeEngine<Config> extends BaseStorageEngine<Config> implements Engine {
  static {
    hookEngine = (engine, hooks) => {
      engine.#connection.hooks = hooks;
      engine.#maxBytes = hooks.maxValueBytes;
    };
  }

  readonly #connection: Connection;
  #capabilities: Capabilities;
  #maxBytes: number;

  /** @internal */
  constructor(config: Config, { open, capabilities, keeps }: NativeTraits) {
    super(open.engine, config);
    this.#connection = new Connection(
      {
        name: this.name,
        closed: () => this.status === 'closed',
        connect: () => this.connect(),
        openedSync: () => markConnected(this),
        opened: (text) => (this.#capabilities = { ...capabilities, ...(JSON.parse(text) as Capabilities) }),
      },
      open,
      keeps,
    );
    this.#capabilities = capabilities;
    this.#maxBytes = this.#connection.hooks.maxValueBytes;
    grantAccess(this, {
      keys: (range) => this.#read('keys', rangeText(range), parseKeys),
      count: (range) => this.#read('count', rangeText(range), itself<number>),
      iterate: (range, what, strip) => this.#iterate(range, what, strip),
      clear: (range) => this.#batch('clear', undefined, clearRangeText(rangeText(range)), false, nothing),
    });
  }

  /** {@inheritDoc Engine.capabilities} */
  get capabilities(): Capabilities {
    return this.#capabilities;
  }

  /** {@inheritDoc DataMethods.get} */
  get<T = unknown>(key: string): Promise<T | null> {
    const { lease } = this.#connection;
    try {
      checkKey(key, 'get');
      if (lease !== undefined) {
        const found = lease.hot.tryGet(key);
        if (found !== undefined) return Promise.resolve(found === null ? null : decode<T>(found));
        return lease.queueGet(key, decodeFound<T>);
      }
    } catch (error) {
      return lease === undefined ? this.#refuse(error, 'get', key) : lease.refuse(error, 'get', typeof key === 'string' ? key : undefined);
    }
    return this.#read('get', key, decodeFound<T>);
  }

  /** {@inheritDoc DataMethods.set} */
  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    let encoded: string | Buffer;
    try {
      checkWritableKey(key, 'set');
      encoded = encode(value, this.#maxBytes);
      if (options !== undefined) return this.#setWith(key, encoded, options);
    } catch (error) {
      return this.#refuse(error, 'set', key);
    }
    const { lease } = this.#connection;
    if (lease !== undefined) return lease.set(key, encoded);
    const kept = copied(encoded);
    return this.#connection.withLease('set', (ready) => ready.set(key, kept));
  }

  /** {@inheritDoc DataMethods.delete} */
  delete(key: string): Promise<boolean> {
    try {
      checkWritableKey(key, 'delete');
    } catch (error) {
      return this.#refuse(error, 'delete', key);
    }
    return this.#connection.withLease('delete', (lease) => lease.delete(key));
  }

  /** {@inheritDoc DataMethods.has} */
  has(key: string): Promise<boolean> {
    try {
      checkKey(key, 'has');
    } catch (error) {
      return this.#refuse(error, 'has', key);
    }
    return this.#read('has', key, itself<boolean>);
  }

  /** {@inheritDoc DataMethods.keys} */
  keys(query?: string | Range): Promise<string[]> {
    return this.#try('keys', () => this.#read('keys', rangeText(toRange(query, 'keys')), parseKeys));
  }

  /** {@inheritDoc DataMethods.count} */
  count(query?: string | Range): Promise<number> {
    return this.#try('count', () => this.#read('count', rangeText(toRange(query, 'count')), itself<number>));
  }

  /** {@inheritDoc DataMethods.clear} */
  clear(): Promise<void> {
    return this.#batch('clear', undefined, CLEAR_TEXT, false, nothing);
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
    return this.#try('getMany', () => {
      const list = keyList(keys, 'getMany', checkKey);
      return this.#read('getMany', keysText(list), decode<(T | null)[]>);
    });
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    return this.#try('setMany', () => {
      const write = writeOptions('setMany', 'setMany', options, this.#maxBytes);
      const extras = options === undefined ? undefined : write;
      let checks = '';
      let ops = '';
      eachEntry(entries, this.#maxBytes, (key, encoded) => {
        if (write.ifAbsent) checks += checkText(key, null);
        ops += setText(key, encoded, extras);
      });
      return this.#batch('setMany', undefined, checks + ops, false, nothing, write.signal);
    });
  }

  /** {@inheritDoc DataMethods.deleteMany} */
  deleteMany(keys: Iterable<string>): Promise<number> {
    return this.#try('deleteMany', () => {
      const ops = keyList(keys, 'deleteMany', checkWritableKey).map(deleteText).join('');
      return this.#batch('deleteMany', undefined, ops, true, (text: string) => {
        return outcomes<{ existed: boolean }>(text).filter(({ existed }) => existed).length;
      });
    });
  }

  /** {@inheritDoc DataMethods.batch} */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void> {
    return this.#try('batch', () => {
      checkOptions('batch', options, ABORT_SHAPE);
      return this.#batch('batch', undefined, batchText(operations, this.#maxBytes), false, nothing, options?.signal);
    });
  }

  /** {@inheritDoc DataMethods.compareAndSet} */
  compareAndSet(key: string, expected: string | null, value: unknown, options?: RecordOptions): Promise<CompareAndSetResult> {
    return this.#try('compareAndSet', () => {
      checkWritableKey(key, 'compareAndSet');
      checkExpected(expected, 'compareAndSet');
      const write = writeOptions('compareAndSet', 'record', options, this.#maxBytes);
      const ops = checkText(key, expected) + setText(key, encodeAt(key, value, this.#maxBytes), write);
      const written = (text: string): CompareAndSetResult => ({ ok: true, version: outcomes<{ version: string }>(text)[0].version });
      return this.#batch('compareAndSet', key, ops, true, written, write.signal).catch(async (error: unknown) => {
        if (!isStorageError(error) || error.code !== 'CONFLICT') throw error;
        const found = await this.getEntry(key);
        return { ok: false, version: found === null ? null : found.version };
      });
    });
  }

  /** {@inheritDoc DataMethods.increment} */
  increment(key: string, by: number = 1, options?: RecordOptions): Promise<number> {
    return this.#try('increment', () => {
      checkWritableKey(key, 'increment');
      if (typeof by !== 'number') throw new StorageTypeError(`Expected what increment adds to be a number, got ${describeKind(by)}`, { key });
      const write = writeOptions('increment', 'record', options, this.#maxBytes);
      const sum = (text: string): number => decode<{ outcomes: [{ value: number }] }>(text).outcomes[0].value;
      return this.#batch('increment', key, addText(key, by, write), true, sum, write.signal);
    });
  }

  /** {@inheritDoc DataMethods.getEntry} */
  getEntry<T = unknown>(key: string): Promise<Entry<T> | null> {
    return this.#try('getEntry', () => {
      checkKey(key, 'getEntry');
      return this.#read('getEntry', key, decodeFound<Entry<T>>);
    });
  }

  /** {@inheritDoc Engine.snapshot} */
  snapshot(): Promise<Snapshot> {
    if (!this.capabilities.snapshots) {
      return this.#refuse(new StorageError('NOT_SUPPORTED', `The engine ${this.name} has no snapshots`), 'snapshot');
    }
    return this.#connection.withLease('snapshot', (lease) => lease.openView('snapshot')).then((view) => new Snapshot(view));
  }

  /** {@inheritDoc Engine.stats} */
  stats(): Promise<EngineStats> {
    return this.#connection.withLease('stats', (lease) => lease.stats()).then(toStats);
  }

  /** {@inheritDoc Engine.verify} */
  verify(options?: VerifyOptions): Promise<VerifyReport> {
    return this.#try('verify', () => {
      checkOptions('verify', options, VERIFY_SHAPE);
      const { repair = false, signal, onProgress } = options ?? {};
      const listener = progressListener('verify', onProgress);
      return this.#connection.abortable('verify', signal, (lease, handle) => lease.verify(repair, listener, handle)).then(toReport);
    });
  }

  /** {@inheritDoc Engine.compact} */
  compact(): Promise<void> {
    return this.#connection.withLease('compact', (lease) => lease.compact());
  }

  /** {@inheritDoc Engine.getSync} */
  getSync<T = unknown>(key: string): T | null {
    checkKey(key, 'getSync');
    return this.#sync('getSync', key, ({ store }) => decodeFound<T>(store.getSync(key)));
  }

  /** {@inheritDoc Engine.hasSync} */
  hasSync(key: string): boolean {
    checkKey(key, 'hasSync');
    return this.#sync('hasSync', key, ({ store }) => store.hasSync(key));
  }

  /** {@inheritDoc Engine.setSync} */
  setSync(key: string, value: unknown, options?: Omit<RecordOptions, 'signal'>): void {
    checkWritableKey(key, 'setSync');
    const { expiresAt, metadata } = writeOptions('setSync', 'record', options, this.#maxBytes);
    const encoded = encodeAt(key, value, this.#maxBytes);
    this.#sync('setSync', key, ({ store }) => store.setSync(key, encoded, expiresAt, metadata));
  }

  /** {@inheritDoc Engine.deleteSync} */
  deleteSync(key: string): boolean {
    checkWritableKey(key, 'deleteSync');
    return this.#sync('deleteSync', key, ({ store }) => store.deleteSync(key));
  }

  /** Opens what the engine needs. */
  protected doConnect(): Promise<void> {
    return this.#connection.open();
  }

  /** Lets go of it. */
  protected doDisconnect(): Promise<void> {
    return this.#connection.finish();
  }

  /** @internal */
  protected override doClose(): Promise<void> {
    return this.#connection.close();
  }

  #setWith(key: string, encoded: NativeValue, options: SetOptions): Promise<void> {
    const write = writeOptions('set', 'set', options, this.#maxBytes);
    const { expiresAt, metadata, ifVersion, ifAbsent, signal } = write;
    if (ifAbsent || ifVersion !== undefined) {
      const ops = checkText(key, ifVersion ?? null) + setText(key, encoded, write);
      return this.#batch('set', key, ops, false, nothing, signal);
    }
    const kept = copied(encoded);
    return this.#connection.abortable('set', signal, (lease, handle) => lease.set(key, kept, expiresAt, metadata, handle));
  }

  #read<T>(operation: ReadOperation, argument: string, decodeResult: (result: never) => T): Promise<T> {
    const { lease } = this.#connection;
    if (lease !== undefined) return lease.read(operation, argument, decodeResult);
    return this.#connection.withLease(operation, (ready) => ready.read(operation, argument, decodeResult));
  }

  #batch<T>(
    operation: string, key: string | undefined, ops: string, report: boolean, decodeResult: (result: never) => T, signal?: AbortSignal,
  ): Promise<T> {
    const { lease } = this.#connection;
    if (lease !== undefined && signal === undefined) return lease.batch(operation, key, ops, report, decodeResult);
    return this.#connection.abortable(operation, signal, (ready, handle) => ready.batch(operation, key, ops, report, decodeResult, handle));
  }

  #iterateQuery<T>(query: string | Range | undefined, what: PageContent): StorageIterator<T> {
    try {
      return this.#iterate(toRange(query, what), what, 0);
    } catch (error) {
      // Whoever calls next() hears of it: nothing that is asynchronous throws.
      return new PageIterator<T>(() => this.#refuse(error, what));
    }
  }

  #iterate<T>(range: InnerRange, what: PageContent, strip: number): StorageIterator<T> {
    const text = rangeText(range);
    const open = (): Promise<ViewSource<T>> =>
      this.#connection.withLease(what, (lease) => lease.openView(what)).then((view) => new ViewSource<T>(view, text, what, strip, true));
    return new PageIterator<T>(open, range.limit);
  }

  #sync<T>(operation: string, key: string, run: (lease: Lease) => T): T {
    if (!this.capabilities.sync) {
      throw new StorageError('NOT_SUPPORTED', `The engine ${this.name} has no synchronous calls`, { engine: this.name, operation, key });
    }
    const lease = this.#connection.now(operation);
    try {
      return run(lease);
    } catch (error) {
      throw lease.explain(error, operation, key);
    }
  }

  /** Makes a rejection of whatever `run` throws. */
  #try<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return run();
    } catch (error) {
      return this.#refuse(error, operation);
    }
  }

  #refuse(error: unknown, operation: string, key?: unknown): Promise<never> {
    return rejection(error, { engine: this.name, operation, key: typeof key === 'string' ? key : undefined });
  }
}

function nothing(): void {}

function itself<T>(result: T): T {
  return result;
}

function parseKeys(text: string): string[] {
  return JSON.parse(text) as string[];
}

function decodeFound<T>(found: NativeValue | null): T | null {
  return found === null ? null : decode<T>(found);
}

function outcomes<O>(text: string): O[] {
  return (JSON.parse(text) as { outcomes: O[] }).outcomes;
}

/** A Buffer that waits is copied: its owner may write to it meanwhile. */
function copied(value: NativeValue): NativeValue {
  return typeof value === 'string' ? value : Buffer.from(value);
}
