import { decode } from '../codec/decode.js';
import { encode } from '../codec/encode.js';
import { StorageError, addContext, isStorageError } from '../errors.js';
import type { Entry } from '../types.js';
import type { DeclaredCapabilities, StorageEngine, StoredOptions } from './contract.js';
import type { JavaScriptFeed } from '../watch/javascript.js';
import { compareKeys } from './key-order.js';
import type { WriteOptions } from './shapes.js';

/** Calls to the methods of an engine of a user's: what goes in is a copy, what comes out is checked, errors are ours. */
export class Target {
  constructor(
    readonly engine: StorageEngine,
    readonly name: string,
    readonly declared: DeclaredCapabilities,
    private readonly feed: JavaScriptFeed,
  ) {}

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

  async get(key: string, operation: string): Promise<unknown> {
    const found = await this.call(operation, key, () => this.engine.get(key));
    return found === undefined || found === null ? null : this.received(found, key, operation);
  }

  async has(key: string, operation: string): Promise<boolean> {
    return Boolean(await this.call(operation, key, () => this.engine.has(key)));
  }

  async delete(key: string, operation: string): Promise<boolean> {
    const existed = Boolean(await this.call(operation, key, () => this.engine.delete(key)));
    if (existed) this.feed.note({ type: 'delete', key });
    return existed;
  }

  async set(key: string, value: unknown, write: WriteOptions, operation: string): Promise<void> {
    const stored = this.stored(write, operation);
    await this.call(operation, key, () => (stored === undefined ? this.engine.set(key, value) : this.engine.set(key, value, stored)));
    this.feed.note({ type: 'set', key, value, version: null });
  }

  async getEntry(key: string, operation: string): Promise<Entry | null> {
    const { engine } = this;
    if (engine.getEntry === undefined) throw this.notSupported('getEntry', operation, key);
    const found = await this.call(operation, key, () => engine.getEntry!(key));
    if (found === null || found === undefined) return null;
    const { value, version = '', createdAt = null, updatedAt = null, expiresAt = null, metadata = null } = found;
    return { value: this.received(value, key, operation), version, createdAt, updatedAt, expiresAt, metadata };
  }

  /** All keys, in order. */
  async keys(operation: string): Promise<string[]> {
    const keys: unknown = await this.call(operation, undefined, () => this.engine.keys());
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) {
      throw new StorageError('IO', `Expected keys of the engine ${this.name} to give an array of strings`, { engine: this.name, operation });
    }
    return [...new Set(keys)].sort(compareKeys);
  }

  /** Expiry and metadata as the engine takes them, if it declared them. */
  stored({ expiresAt, metadata }: WriteOptions, operation: string): StoredOptions | undefined {
    if (expiresAt !== undefined && this.declared.ttl !== true) throw this.notSupported('ttl', operation);
    if (metadata !== undefined && this.declared.metadata !== true) throw this.notSupported('metadata', operation);
    if (expiresAt === undefined && metadata === undefined) return undefined;
    return { ...(expiresAt !== undefined && { expiresAt }), ...(metadata !== undefined && { metadata: decode(metadata) }) };
  }

  notSupported(what: string, operation: string, key?: string): StorageError {
    return new StorageError('NOT_SUPPORTED', `The engine ${this.name} does not declare ${what}`, { engine: this.name, operation, key });
  }

  /** A copy of what the engine returned, so that nobody changes what it keeps. */
  private received(value: unknown, key: string, operation: string): unknown {
    try {
      return copyOf(value, Infinity);
    } catch (error) {
      const message = `The engine ${this.name} returned what is no storable value`;
      throw new StorageError('CORRUPTED', message, { engine: this.name, operation, key, cause: error });
    }
  }
}

/** A copy of a value as every engine would give it back; throws for what none would store. */
export function copyOf(value: unknown, maxBytes: number): unknown {
  const encoded = encode(value, maxBytes);
  return typeof encoded === 'string' ? decode(encoded) : Buffer.from(encoded);
}
