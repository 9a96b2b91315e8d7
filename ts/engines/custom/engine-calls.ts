import { decodedCopy } from '../../codec/copy.js';
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import { markForeign } from '../../errors/stack.js';
import { StorageError, addContext, isStorageError } from '../../errors/storage-error.js';
import { asText } from '../../native/batch-text.js';
import type { NativeValue } from '../../native/interface.js';
import { compareKeys } from '../../range/key-order.js';
import type { KeyOperation, CompareAndSetResult, Entry } from '../../types.js';
import type { CustomChange, CustomFeed } from '../../watch/custom-feed.js';
import { noteWrite } from '../../transactions/own-writes.js';
import type { DeclaredCapabilities, StorageEngine, StoredOptions } from '../contract.js';
import type { WriteOptions } from '../data/write-options.js';
import { isOurs } from './own-keys.js';

/** A record in its stored form. */
export interface StoredRecord {
  readonly value: NativeValue;
  readonly expiresAt?: number | undefined;
  /** JSON text. */
  readonly metadata?: string | undefined;
}

/**
 * The calls to the methods of a custom engine. The engine gets copies, what it returns is checked, and what it throws
 * becomes a StorageError.
 */
export class EngineCalls {
  /** Counts the calls that changed something, or may have. */
  changes = 0;
  /** The connection by which transactions know the engine. */
  store: object = this;
  readonly declared: DeclaredCapabilities;

  constructor(
    readonly engine: StorageEngine,
    readonly name: string,
    readonly feed: CustomFeed,
  ) {
    this.declared = engine.capabilities ?? {};
  }

  /** Whether `batch` is there and atomic. */
  get atomicBatch(): boolean {
    return this.declared.atomicBatch === true && this.engine.batch !== undefined;
  }

  /** Whether `set` takes an expiry and `getEntry` returns it. */
  get keepsExpiry(): boolean {
    return this.declared.ttl === true && this.engine.getEntry !== undefined;
  }

  /** Whether `set` takes metadata and `getEntry` returns it. */
  get keepsMetadata(): boolean {
    return this.declared.metadata === true && this.engine.getEntry !== undefined;
  }

  /**
   * Runs a method. A StorageError that it throws passes; anything else becomes IO, with what was thrown as the cause.
   */
  async call<T>(operation: string, key: string | undefined, run: () => Promise<T> | T): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const context = { engine: this.name, operation, key };
      if (isStorageError(error)) {
        markForeign(error);
        throw addContext(error, context);
      }
      throw new StorageError('IO', `The engine ${this.name} failed in ${operation}`, { ...context, cause: error });
    }
  }

  /** Runs a method that changes something. It counts even if it fails. */
  change<T>(operation: string, key: string | undefined, run: () => Promise<T> | T): Promise<T> {
    this.changes++;
    noteWrite(this.store, key);
    return this.call(operation, key, run);
  }

  async get(key: string, operation: string): Promise<unknown> {
    const found = await this.call(operation, key, () => this.engine.get(key));
    return found === undefined || found === null ? null : this.received(found, key, operation);
  }

  async has(key: string, operation: string): Promise<boolean> {
    return Boolean(await this.call(operation, key, () => this.engine.has(key)));
  }

  async delete(key: string, operation: string): Promise<boolean> {
    const existed = Boolean(await this.change(operation, key, () => this.engine.delete(key)));
    if (existed) this.note({ type: 'delete', key });
    return existed;
  }

  async set(key: string, value: unknown, write: WriteOptions, operation: string): Promise<void> {
    await this.put(key, value, this.stored(write, operation), operation);
  }

  async put(key: string, value: unknown, stored: StoredOptions | undefined, operation: string): Promise<void> {
    await this.change(operation, key, () =>
      stored === undefined ? this.engine.set(key, value) : this.engine.set(key, value, stored),
    );
    this.note({ type: 'set', key, value, version: null });
  }

  /** Called only where the engine has `compareAndSet`. */
  async compareAndSet(
    key: string,
    expected: string | null,
    value: unknown,
    write: WriteOptions,
  ): Promise<CompareAndSetResult> {
    const operation = 'compareAndSet';
    const stored = this.stored(write, operation);
    const done = await this.change(operation, key, () => this.engine.compareAndSet!(key, expected, value, stored));
    if (done.ok) this.feed.note({ type: 'set', key, value, version: done.version });
    return done;
  }

  /** Called only where the engine has `batch`. */
  async batch(operations: KeyOperation[], operation: string): Promise<void> {
    await this.change(operation, undefined, () => this.engine.batch!(operations));
    for (const { type, key, ...rest } of operations) {
      if (type === 'delete') this.note({ type, key });
      else if (type === 'set') this.note({ type, key, value: (rest as { value: unknown }).value, version: null });
    }
  }

  async clear(): Promise<void> {
    await this.change('clear', undefined, () => this.engine.clear());
    this.feed.note({ type: 'clear' });
  }

  /** The record of a key in its stored form; null if the key is absent. */
  async record(key: string, operation: string): Promise<StoredRecord | null> {
    if (this.engine.getEntry === undefined) {
      const found = await this.call(operation, key, () => this.engine.get(key));
      if ((found === undefined || found === null) && !(await this.has(key, operation))) return null;
      return { value: this.encoded(found ?? null, key, operation) };
    }
    const found = await this.call(operation, key, () => this.engine.getEntry!(key));
    if (found === null || found === undefined) return null;
    const { value, expiresAt = null, metadata = null } = found;
    return {
      value: this.encoded(value, key, operation),
      expiresAt: this.keepsExpiry ? (expiresAt ?? undefined) : undefined,
      metadata: this.keepsMetadata && metadata !== null ? asText(this.encoded(metadata, key, operation)) : undefined,
    };
  }

  async getEntry(key: string, operation: string): Promise<Entry | null> {
    const { engine } = this;
    if (engine.getEntry === undefined) throw this.notSupported('getEntry', operation, key);
    const found = await this.call(operation, key, () => engine.getEntry!(key));
    if (found === null || found === undefined) return null;
    const { value, version = '', createdAt = null, updatedAt = null, expiresAt = null, metadata = null } = found;
    return { value: this.received(value, key, operation), version, createdAt, updatedAt, expiresAt, metadata };
  }

  /** The keys that belong to users, in order. */
  async keys(operation: string): Promise<string[]> {
    const keys = (await this.allKeys(operation)).filter((key) => !isOurs(key));
    return [...new Set(keys)].sort(compareKeys);
  }

  /** Every key, also those that belong to the library. */
  async allKeys(operation: string): Promise<string[]> {
    const keys: unknown = await this.call(operation, undefined, () => this.engine.keys());
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) {
      throw new StorageError('IO', `Expected keys of the engine ${this.name} to give an array of strings`, {
        engine: this.name,
        operation,
      });
    }
    return keys;
  }

  /** Expiry and metadata as the engine takes them. Throws if it did not declare them. */
  stored({ expiresAt, metadata }: WriteOptions, operation: string): StoredOptions | undefined {
    if (expiresAt !== undefined && this.declared.ttl !== true) throw this.notSupported('ttl', operation);
    if (metadata !== undefined && this.declared.metadata !== true) throw this.notSupported('metadata', operation);
    if (expiresAt === undefined && metadata === undefined) return undefined;
    return {
      ...(expiresAt !== undefined && { expiresAt }),
      ...(metadata !== undefined && { metadata: decode(metadata) }),
    };
  }

  /** Throws unless the engine has versions. */
  needVersions(operation: string, key?: string): void {
    const { declared, engine } = this;
    if (declared.versions !== true || engine.compareAndSet === undefined || engine.getEntry === undefined)
      throw this.notSupported('versions', operation, key);
  }

  notSupported(what: string, operation: string, key?: string): StorageError {
    return new StorageError('NOT_SUPPORTED', `The engine ${this.name} does not declare ${what}`, {
      engine: this.name,
      operation,
      key,
    });
  }

  /** Tells watchers of a change, unless the key belongs to the library. */
  private note(change: CustomChange & { key: string }): void {
    if (!isOurs(change.key)) this.feed.note(change);
  }

  /** A copy of what the engine returned, so that nobody changes what it keeps. */
  private received(value: unknown, key: string, operation: string): unknown {
    return decodedCopy(this.encoded(value, key, operation));
  }

  private encoded(value: unknown, key: string, operation: string): NativeValue {
    try {
      return encode(value, Infinity);
    } catch (error) {
      const message = `The engine ${this.name} returned what is no storable value`;
      throw new StorageError('CORRUPTED', message, { engine: this.name, operation, key, cause: error });
    }
  }
}
