import { Buffer } from 'node:buffer';
import { keyList } from '../../arguments/iterables.js';
import { checkKey, checkWritableKey } from '../../arguments/keys.js';
import { checkOptions } from '../../arguments/options.js';
import { ABORT_SHAPE } from '../../arguments/shapes.js';
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
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
import { rangeText, toRange } from '../../range/range.js';
import type { InnerRange } from '../../range/range.js';
import type {
  AbortOptions,
  BatchOperation,
  CompareAndSetResult,
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
import { checkExpected, writeOptions } from './write-options.js';

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
  get<T = unknown>(key: string): Promise<T | null> {
    const { lease } = this.#source;
    try {
      checkKey(key, 'get');
      if (lease !== undefined) {
        const found = lease.tryGet(key);
        if (found !== undefined) return Promise.resolve(found === null ? null : decode<T>(found));
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
      encoded = encode(value, this.#source.maxBytes);
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
  delete(key: string): Promise<boolean> {
    try {
      checkWritableKey(key, 'delete');
    } catch (error) {
      return this.#refuse(error, 'delete', key);
    }
    return this.#source.withLease('delete', (lease) => lease.delete(key));
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
      return this.#read('getMany', keysText(list), decodeMany<T>);
    });
  }

  /** {@inheritDoc DataMethods.setMany} */
  setMany(entries: Iterable<readonly [string, unknown]>, options?: SetManyOptions): Promise<void> {
    return this.#try('setMany', () => {
      const write = writeOptions('setMany', 'setMany', options, this.#source.maxBytes);
      const extras = options === undefined ? undefined : write;
      let checks = '';
      let ops = '';
      eachEntry(entries, this.#source.maxBytes, (key, encoded) => {
        if (write.ifAbsent) checks += checkText(key, null);
        ops += setText(key, encoded, extras);
      });
      const written = this.#batch('setMany', undefined, checks + ops, false, nothing, write.signal);
      return write.ifAbsent ? this.#conditional(written) : written;
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
      return this.#conditional(
        this.#batch('batch', undefined, batchText(operations, this.#source.maxBytes), false, nothing, options?.signal),
      );
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
      const write = writeOptions('compareAndSet', 'record', options, this.#source.maxBytes);
      const ops = checkText(key, expected) + setText(key, encodeAt(key, value, this.#source.maxBytes), write);
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
      const write = writeOptions('increment', 'record', options, this.#source.maxBytes);
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

  /** @internal */
  get [access](): Access {
    return {
      keys: (range) => this.#read('keys', rangeText(range), parseKeys),
      count: (range) => this.#read('count', rangeText(range), itself<number>),
      iterate: (range, what, strip) => this.#iterate(range, what, strip),
      clear: (range) => this.#batch('clear', undefined, clearRangeText(rangeText(range)), false, nothing),
      maxValueBytes: () => this.#source.maxBytes,
      model: (operation, request, options) => callModel(this.#source, operation, request, options),
    };
  }

  #setWith(key: string, encoded: NativeValue, options: SetOptions): Promise<void> {
    const write = writeOptions('set', 'set', options, this.#source.maxBytes);
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

  #read<T>(operation: ReadOperation, argument: string, decodeResult: (result: never) => T): Promise<T> {
    const { lease } = this.#source;
    if (lease !== undefined) return lease.read(operation, argument, decodeResult);
    return this.#source.withLease(operation, (ready) => ready.read(operation, argument, decodeResult));
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

  #conditional(written: Promise<void>): Promise<void> {
    return this.#source.isOneMoment === true ? noteFailedConditions(written) : written;
  }

  #iterateQuery<T>(query: string | Range | undefined, what: PageContent): StorageIterator<T> {
    try {
      return this.#iterate(toRange(query, what), what, 0);
    } catch (error) {
      // next() rejects with it, because nothing that is asynchronous throws.
      return new PageIterator<T>(() => this.#refuse(error, what));
    }
  }

  #iterate<T>(range: InnerRange, what: PageContent, strip: number): StorageIterator<T> {
    const text = rangeText(range);
    const open = (): Promise<ViewSource<T>> =>
      this.#source
        .withLease(what, (lease) => lease.openView(what))
        .then((view) => new ViewSource<T>(view, text, what, strip, true));
    return new PageIterator<T>(open, range.limit);
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
