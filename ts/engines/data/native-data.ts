import { Buffer } from 'node:buffer';
import { answered } from '../../answers.js';
import { keyList } from '../../arguments/iterables.js';
import { checkKey, checkWritableKey } from '../../arguments/keys.js';
import { signalOf } from '../../arguments/shapes.js';
import { decode } from '../../codec/decode.js';
import { describeKind } from '../../codec/kinds.js';
import { rejection } from '../../errors/rejection.js';
import { StorageTypeError, isStorageError } from '../../errors/storage-error.js';
import { access } from '../../internal.js';
import { PageIterator } from '../../iteration/page-iterator.js';
import { ViewSource } from '../../iteration/view-source.js';
import {
  CLEAR_TEXT,
  addText,
  checkText,
  clearRangeText,
  deleteText,
  keysText,
  setText,
} from '../../native/batch-text.js';
import type { NativeValue, PageContent } from '../../native/interface.js';
import { abortableCall, callModel } from '../../native/lease-source.js';
import type { LeaseSource } from '../../native/lease-source.js';
import { decodeFound, decodeMany, itself, nothing, outcomes, parseKeys } from '../../native/results.js';
import type { ReadOperation } from '../../native/view.js';
import { toEngineDeletion } from '../../range/deletion.js';
import { noteWrite } from '../../transactions/own-writes.js';
import { rangeText, toRange } from '../../range/range.js';
import type { InnerRange } from '../../range/range.js';
import type {
  AbortOptions,
  BatchOperation,
  CompareAndSetResult,
  DeleteOptions,
  Entry,
  Range,
  RecordOptions,
  SetManyOptions,
  SetOptions,
  StorageIterator,
} from '../../types.js';
import type { DataMethods } from '../contract.js';
import type { Access } from './access.js';
import { batchText, eachEntry, encodeAt } from './batch.js';
import { noteFailedConditions } from './conditions.js';
import { checkExpected, deleteOptions, writeOptions } from './write-options.js';

/**
 * The data methods of built-in engines and transactions. The addon answers a call at once if it can, else queues it.
 */
export class NativeData implements DataMethods {
  readonly #source: LeaseSource;

  /** @internal */
  constructor(source: LeaseSource) {
    this.#source = source;
  }

  /** {@inheritDoc DataMethods.get} */
  get<T = unknown>(key: string, options?: AbortOptions): Promise<T | null> {
    if (options !== undefined) return this.#readKey('get', key, decodeFound<T>, options);
    const { lease } = this.#source;
    try {
      checkKey(key, 'get');
      if (lease !== undefined) {
        const found = lease.tryGet(key);
        if (found !== undefined) return answered(found === null ? null : decode<T>(found));
        return lease.queueGet(key, decodeFound<T>);
      }
    } catch (error) {
      return lease === undefined
        ? this.#refuse(error, 'get', key)
        : lease.refuse(error, 'get', typeof key === 'string' ? key : undefined);
    }
    return this.#read('get', key, decodeFound<T>);
  }

  /** {@inheritDoc DataMethods.set} */
  set(key: string, value: unknown, options?: SetOptions): Promise<void> {
    let encoded: string | Buffer;
    try {
      checkWritableKey(key, 'set');
      encoded = encodeAt(key, value, this.#source.rules);
      this.#note(key);
      if (options !== undefined) return this.#setWith(key, encoded, options);
    } catch (error) {
      return this.#refuse(error, 'set', key);
    }
    const { lease } = this.#source;
    if (lease !== undefined) return lease.set(key, encoded);
    const kept = copied(encoded);
    return this.#source.withLease('set', (ready) => ready.set(key, kept));
  }

  /** {@inheritDoc DataMethods.delete} */
  delete(key: string, options?: DeleteOptions): Promise<boolean> {
    try {
      checkWritableKey(key, 'delete');
      this.#note(key);
      if (options !== undefined) return this.#deleteWith(key, options);
    } catch (error) {
      return this.#refuse(error, 'delete', key);
    }
    return this.#source.withLease('delete', (lease) => lease.delete(key));
  }

  /** {@inheritDoc DataMethods.has} */
  has(key: string, options?: AbortOptions): Promise<boolean> {
    return this.#readKey('has', key, itself<boolean>, options);
  }

  /** {@inheritDoc DataMethods.keys} */
  keys(query?: string | Range, options?: AbortOptions): Promise<string[]> {
    return this.#try('keys', () =>
      this.#read('keys', rangeText(toRange(query, 'keys')), parseKeys, signalOf('keys', options)),
    );
  }

  /** {@inheritDoc DataMethods.count} */
  count(query?: string | Range, options?: AbortOptions): Promise<number> {
    return this.#try('count', () =>
      this.#read('count', rangeText(toRange(query, 'count')), itself<number>, signalOf('count', options)),
    );
  }

  /** {@inheritDoc DataMethods.clear} */
  clear(query?: string | Range, options?: AbortOptions): Promise<void> {
    return this.#try('clear', () => {
      this.#note(undefined);
      const ops = query === undefined ? CLEAR_TEXT : clearRangeText(rangeText(toEngineDeletion(query, 'clear')));
      return this.#batch('clear', undefined, ops, false, nothing, signalOf('clear', options));
    });
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
    return this.#try('getMany', () => {
      const list = keyList(keys, 'getMany', checkKey);
      return this.#read('getMany', keysText(list), decodeMany<T>, signalOf('getMany', options));
    });
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    return this.#try('setMany', () => {
      const write = writeOptions('setMany', 'setMany', options, this.#source.rules, this.#source.now);
      const extras = options === undefined ? undefined : write;
      let checks = '';
      let ops = '';
      eachEntry(entries, this.#source.rules, (key, encoded) => {
        this.#note(key);
        if (write.ifAbsent) checks += checkText(key, null);
        ops += setText(key, encoded, extras);
      });
      const written = this.#batch('setMany', undefined, checks + ops, false, nothing, write.signal);
      return write.ifAbsent ? this.#conditional(written) : written;
    });
  }

  /** {@inheritDoc DataMethods.deleteMany} */
  deleteMany(keys: Iterable<string>, options?: AbortOptions): Promise<number> {
    return this.#try('deleteMany', () => {
      const list = keyList(keys, 'deleteMany', checkWritableKey);
      for (const key of list) this.#note(key);
      const ops = list.map(deleteText).join('');
      const count = (text: string): number =>
        outcomes<{ existed: boolean }>(text).filter(({ existed }) => existed).length;
      return this.#batch('deleteMany', undefined, ops, true, count, signalOf('deleteMany', options));
    });
  }

  /** {@inheritDoc DataMethods.batch} */
  batch(operations: Iterable<BatchOperation>, options?: AbortOptions): Promise<void> {
    return this.#try('batch', () => {
      const signal = signalOf('batch', options);
      const ops = batchText(operations, this.#source, (key) => this.#note(key));
      return this.#conditional(this.#batch('batch', undefined, ops, false, nothing, signal));
    });
  }

  /** {@inheritDoc DataMethods.compareAndSet} */
  compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    options?: RecordOptions,
  ): Promise<CompareAndSetResult> {
    return this.#try('compareAndSet', () => {
      checkWritableKey(key, 'compareAndSet');
      checkExpected(expected, 'compareAndSet');
      this.#note(key);
      const write = writeOptions('compareAndSet', 'record', options, this.#source.rules, this.#source.now);
      const ops = checkText(key, expected) + setText(key, encodeAt(key, value, this.#source.rules), write);
      const written = (text: string): CompareAndSetResult => ({
        ok: true,
        version: outcomes<{ version: string }>(text)[0].version,
      });
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
      if (typeof by !== 'number')
        throw new StorageTypeError(`Expected what increment adds to be a number, got ${describeKind(by)}`, { key });
      const write = writeOptions('increment', 'record', options, this.#source.rules, this.#source.now);
      this.#note(key);
      const sum = (text: string): number => decode<{ outcomes: [{ value: number }] }>(text).outcomes[0].value;
      return this.#batch('increment', key, addText(key, by, write), true, sum, write.signal);
    });
  }

  /** {@inheritDoc DataMethods.getEntry} */
  getEntry<T = unknown>(key: string, options?: AbortOptions): Promise<Entry<T> | null> {
    return this.#readKey('getEntry', key, decodeFound<Entry<T>>, options);
  }

  /** @internal */
  get [access](): Access {
    return {
      keys: (range, signal) => this.#read('keys', rangeText(range), parseKeys, signal),
      count: (range, signal) => this.#read('count', rangeText(range), itself<number>, signal),
      iterate: (range, what, strip, signal) => this.#iterate(range, what, strip, signal),
      clear: (range, signal) =>
        this.#batch('clear', undefined, clearRangeText(rangeText(range)), false, nothing, signal),
      maxValueBytes: () => this.#source.rules.maxBytes,
      model: (operation, request, options) => callModel(this.#source, operation, request, options),
    };
  }

  /** Tells of a write that is about to be made; without a key: of keys that are not known. */
  #note(key: string | undefined): void {
    const { within } = this.#source;
    noteWrite(within?.store ?? this.#source, key, within?.transaction);
  }

  #setWith(key: string, encoded: NativeValue, options: SetOptions): Promise<void> {
    const write = writeOptions('set', 'set', options, this.#source.rules, this.#source.now);
    const { expiresAt, metadata, ifVersion, ifAbsent, signal } = write;
    if (ifAbsent || ifVersion !== undefined) {
      const ops = checkText(key, ifVersion ?? null) + setText(key, encoded, write);
      return this.#conditional(this.#batch('set', key, ops, false, nothing, signal));
    }
    const kept = copied(encoded);
    return abortableCall(this.#source, 'set', signal, (lease, handle) =>
      lease.set(key, kept, expiresAt, metadata, handle),
    );
  }

  #deleteWith(key: string, options: DeleteOptions): Promise<boolean> {
    const { ifVersion, signal } = deleteOptions(options);
    const existed = (text: string): boolean => outcomes<{ existed: boolean }>(text)[0].existed;
    if (ifVersion === undefined) return this.#batch('delete', key, deleteText(key), true, existed, signal);
    const ops = checkText(key, ifVersion) + deleteText(key);
    return this.#conditional(this.#batch('delete', key, ops, true, existed, signal));
  }

  #readKey<T>(
    operation: 'get' | 'has' | 'getEntry',
    key: string,
    decodeResult: (result: never) => T,
    options: AbortOptions | undefined,
  ): Promise<T> {
    let signal;
    try {
      checkKey(key, operation);
      if (options !== undefined) signal = signalOf(operation, options);
    } catch (error) {
      return this.#refuse(error, operation, key);
    }
    return this.#read(operation, key, decodeResult, signal);
  }

  #read<T>(
    operation: ReadOperation,
    argument: string,
    decodeResult: (result: never) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { lease } = this.#source;
    if (lease !== undefined && signal === undefined) return lease.read(operation, argument, decodeResult);
    return abortableCall(this.#source, operation, signal, (ready, handle) =>
      ready.read(operation, argument, decodeResult, handle),
    );
  }

  #batch<T>(
    operation: string,
    key: string | undefined,
    ops: string,
    report: boolean,
    decodeResult: (result: never) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { lease } = this.#source;
    if (lease !== undefined && signal === undefined) return lease.batch(operation, key, ops, report, decodeResult);
    return abortableCall(this.#source, operation, signal, (ready, handle) =>
      ready.batch(operation, key, ops, report, decodeResult, handle),
    );
  }

  #conditional<T>(written: Promise<T>): Promise<T> {
    return this.#source.isOneMoment === true ? noteFailedConditions(written) : written;
  }

  #iterateQuery<T>(
    query: string | Range | undefined,
    what: PageContent,
    options: AbortOptions | undefined,
  ): StorageIterator<T> {
    try {
      return this.#iterate(toRange(query, what), what, 0, signalOf(what, options));
    } catch (error) {
      // next() rejects with it, because nothing that is asynchronous throws.
      return new PageIterator<T>(() => this.#refuse(error, what));
    }
  }

  #iterate<T>(
    range: InnerRange,
    what: PageContent,
    strip: number,
    signal: AbortSignal | undefined,
  ): StorageIterator<T> {
    const text = rangeText(range);
    const open = (): Promise<ViewSource<T>> =>
      this.#source
        .withLease(what, (lease) => lease.openView(what))
        .then((view) => new ViewSource<T>(view, text, what, strip, true));
    return new PageIterator<T>(open, range.limit, signal && { signal, engine: this.#source.name, operation: what });
  }

  /** Turns what `run` throws into a rejection. */
  #try<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return run();
    } catch (error) {
      return this.#refuse(error, operation);
    }
  }

  #refuse(error: unknown, operation: string, key?: unknown): Promise<never> {
    return rejection(error, { engine: this.#source.name, operation, key: typeof key === 'string' ? key : undefined });
  }
}

/** A copy of a Buffer that has to wait, because its owner may write to it meanwhile. */
function copied(value: NativeValue): NativeValue {
  return typeof value === 'string' ? value : Buffer.from(value);
}
