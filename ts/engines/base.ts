import { inspect } from 'node:util';
import { done, refused } from '../answers.js';
import { refuseExtraArguments } from '../arguments/arity.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { closeForGood, markConnected } from '../internal.js';
import type { EngineStatus } from '../types.js';
import type { StorageEngine } from './contract.js';

/**
 * The base of every engine. Extend it for an engine of your own: implement `doConnect`, `doDisconnect` and the data
 * methods. It connects once, however many calls race.
 *
 * @example
 * class MyStorage extends BaseStorageEngine {
 *   constructor(config) { super('mine', config); }
 *   async doConnect() { this.client = await open(this.config.url); }
 *   async doDisconnect() { await this.client.close(); }
 *   async get(key) { await this.ensureConnected(); return this.client.read(key); }
 *   // set, delete, has, keys, clear
 * }
 */
export abstract class BaseStorageEngine<Config = unknown> implements StorageEngine, AsyncDisposable {
  /** The engine's name, as errors show it. */
  readonly name: string;
  // Private, as it may hold a password, which must not show when an engine is printed.
  readonly #config: Config;
  #connected = false;
  #closed = false;
  #connecting: Promise<void> | undefined;
  #disconnecting: Promise<void> | undefined;

  static {
    refuseExtraArguments(this, { promises: { connect: '', disconnect: '' } });
  }

  /**
   * @param name - The engine's name for errors.
   * @param config - Anything the engine needs. It is kept as `this.config`.
   */
  constructor(name: string, config?: Config) {
    if (typeof name !== 'string' || name === '')
      throw new StorageTypeError('Expected the name of an engine to be a non-empty string');
    this.name = name;
    this.#config = config as Config;
  }

  /** The configuration that was given to the constructor. It is never printed. */
  protected get config(): Config {
    return this.#config;
  }

  /** Whether the engine is connected now. */
  protected get isConnected(): boolean {
    return this.#connected && this.#disconnecting === undefined;
  }

  /** Whether the engine is idle, connecting, connected or closed. */
  get status(): EngineStatus {
    if (this.#closed) return 'closed';
    if (this.#connecting !== undefined) return 'connecting';
    return this.#connected ? 'connected' : 'idle';
  }

  /** Opens the store once, however many calls race. Rejects with CLOSED after the manager's `close()`. */
  connect(): Promise<void> {
    if (this.#closed) return refused(this.closedError('connect'));
    if (this.isConnected) return done();
    return (this.#connecting ??= this.#connect());
  }

  /** Finishes running calls and closes the store. A later call connects again. */
  async disconnect(): Promise<void> {
    // A connect that fails leaves nothing to disconnect, and rejects for its own caller.
    if (this.#connecting !== undefined) await this.#connecting.catch(() => {});
    if (!this.#connected) return;
    await (this.#disconnecting ??= this.#disconnect());
  }

  /** The same as `disconnect()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect();
  }

  /** Connects if the engine is not connected. Await it first in each data method of an engine of your own. */
  protected ensureConnected(): Promise<void> {
    return this.connect();
  }

  /** The error of a call after the engine was closed. */
  protected closedError(operation: string): StorageError {
    return new StorageError('CLOSED', `The engine ${this.name} is closed`, { engine: this.name, operation });
  }

  /** Opens what the engine needs. It is never called twice at a time, nor while the engine is connected. */
  protected abstract doConnect(): Promise<void>;
  /** Closes what `doConnect` opened. */
  protected abstract doDisconnect(): Promise<void>;
  /** @internal Closes what outlives a disconnect. */
  protected doClose(): Promise<void> {
    return Promise.resolve();
  }
  /** The value of a key, or null. */
  abstract get<T = unknown>(key: string): Promise<T | null>;
  /** Writes a value. */
  abstract set(key: string, value: unknown): Promise<void>;
  /** Removes a key. True: the key was there. */
  abstract delete(key: string): Promise<boolean>;
  /** Whether a key is there. */
  abstract has(key: string): Promise<boolean>;
  /** The keys that match a glob. Default: all keys. */
  abstract keys(pattern?: string): Promise<string[]>;
  /** Removes everything. */
  abstract clear(): Promise<void>;

  /** Shows name and status only. */
  [inspect.custom](): string {
    return `${this.constructor.name} { name: '${this.name}', status: '${this.status}' }`;
  }

  /** @internal */
  async [closeForGood](): Promise<void> {
    this.#closed = true;
    await this.disconnect();
    await this.doClose();
  }

  /** @internal */
  [markConnected](): void {
    this.#disconnecting = undefined;
    this.#connected = true;
  }

  async #connect(): Promise<void> {
    try {
      if (this.#disconnecting !== undefined) await this.#disconnecting.catch(() => {});
      await this.doConnect();
      this.#connected = true;
    } finally {
      this.#connecting = undefined;
    }
  }

  async #disconnect(): Promise<void> {
    try {
      // `isConnected` is false already: calls made from now on wait for the next connect.
      await this.doDisconnect();
    } finally {
      // Unless the engine was connected again meanwhile.
      if (this.#disconnecting !== undefined) {
        this.#disconnecting = undefined;
        this.#connected = false;
      }
    }
  }
}
