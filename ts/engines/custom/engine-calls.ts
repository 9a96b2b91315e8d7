import { decodedCopy } from '../../codec/copy.js';
import { decode } from '../../codec/decode.js';
import { encode } from '../../codec/encode.js';
import { StorageError, addContext, isStorageError } from '../../errors/storage-error.js';
import { asText } from '../../native/batch-text.js';
import type { NativeValue } from '../../native/interface.js';
import { compareKeys } from '../../range/key-order.js';
import type { BatchOperation, Entry } from '../../types.js';
import type { JavaScriptChange, JavaScriptFeed } from '../../watch/custom.js';
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

/** Calls to the methods of an engine of a user's: what goes in is a copy, what comes out is checked, errors are ours. */
export class Target {
  /** How often something was changed, or may have been. */
  changes = 0;

  constructor(
    readonly engine: StorageEngine,
    readonly name: string,
    readonly declared: DeclaredCapabilities,
    readonly feed: JavaScriptFeed,
  ) {}

  /** Whether `batch` is there and atomic. */
  get atomicBatch(): boolean {
    return this.declared.atomicBatch === true && this.engine.batch !== undefined;
  }

  /** Whether expiry is taken and can be read again. */
  get keepsExpiry(): boolean {
    return this.declared.ttl === true && this.engine.getEntry !== undefined;
  }

  /** Whether metadata is taken and can be read again. */
  get keepsMetadata(): boolean {
    return this.declared.metadata === true && this.engine.getEntry !== undefined;
  }

  /** Runs a method and explains what it throws: errors of ours pass, others become IO with the cause. */
  async call<T>(operation: string, key: string | undefined, run: () => Promise<T> | T): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const context = { engine: this.name, operation, key };
      if (isStorageError(error)) throw addContext(error, context);
      throw new StorageError('IO', `The engine ${this.name} failed in ${operation}`, { ...context, cause: error });
    }
  }

  /** Runs a method that changes something, though it fail. */
  change<T>(operation: string, key: string | undefined, run: () => Promise<T> | T): Promise<T> {
    this.changes++;
    return this.call(operation, key, run);
  }

  /** Tells who watches of a change to a user's key. */
  private note(change: JavaScriptChange & { key: string }): void {
    if (!isOurs(change.key)) this.feed.note(change);
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

  async batch(operations: BatchOperation[], operation: string): Promise<void> {
    await this.change(operation, undefined, () => this.engine.batch!(operations));
    for (const { type, key, ...rest } of operations) {
      if (type === 'delete') this.note({ type, key });
      else if (type === 'set') this.note({ type, key, value: (rest as { value: unknown }).value, version: null });
    }
  }

  /** What a key holds, in its stored form; null if it is absent. */
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

  /** The keys of users, in order. */
  async keys(operation: string): Promise<string[]> {
    const keys = (await this.allKeys(operation)).filter((key) => !isOurs(key));
    return [...new Set(keys)].sort(compareKeys);
  }

  /** Every key. */
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

  /** Expiry and metadata as the engine takes them, if it declared them. */
  stored({ expiresAt, metadata }: WriteOptions, operation: string): StoredOptions | undefined {
    if (expiresAt !== undefined && this.declared.ttl !== true) throw this.notSupported('ttl', operation);
    if (metadata !== undefined && this.declared.metadata !== true) throw this.notSupported('metadata', operation);
    if (expiresAt === undefined && metadata === undefined) return undefined;
    return {
      ...(expiresAt !== undefined && { expiresAt }),
      ...(metadata !== undefined && { metadata: decode(metadata) }),
    };
  }

  notSupported(what: string, operation: string, key?: string): StorageError {
    return new StorageError('NOT_SUPPORTED', `The engine ${this.name} does not declare ${what}`, {
      engine: this.name,
      operation,
      key,
    });
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
