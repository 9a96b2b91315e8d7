import type { Buffer } from 'node:buffer';
import { AbstractLevel } from 'abstract-level';
import type { AbstractDatabaseOptions } from 'abstract-level';
import { describeKind } from '../codec/kinds.js';
import { MemoryStorage } from '../engines/built-in/memory.js';
import { access } from '../internal.js';
import { isReserved } from '../range/reserved.js';
import { toEngine } from '../engines/custom/wrap.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
// Types that the declarations name come from the root entry, so that both entries have the same types.
import type { BatchOperation, Engine, StorageEngine } from '../index.js';
import type { Snapshot } from '../snapshot.js';
import { Cursor } from './cursor.js';
import { rethrow } from './errors.js';
import { Folder } from './folder.js';
import type { LevelRange } from './folder.js';
import { EntryIterator, KeyIterator, ValueIterator } from './iterators.js';
import type { IteratorHost, IteratorOptions } from './iterators.js';
import type { Format } from './keys.js';
import { LevelSnapshot } from './snapshot.js';
import { toFormat } from './values.js';

/** Options of a {@link HoldfastLevel}: its own and those of every `abstract-level` database. */
export interface HoldfastLevelOptions<KDefault = string, VDefault = string> extends AbstractDatabaseOptions<
  KDefault,
  VDefault
> {
  /**
   * The folder of the engine that holds the database, without a `/` at its end. Databases with different prefixes do
   * not see each other, except that a prefix `p/q` lies inside `p` as a folder does. Default: `'level'`.
   */
  prefix?: string | undefined;
}

type Encoded = string | Buffer;

interface ReadOptions {
  readonly valueEncoding: Format;
  readonly snapshot?: unknown;
}

interface Operation {
  readonly type: 'put' | 'del';
  readonly key: Encoded;
  readonly value?: Encoded;
}

/** The keys that are deleted in one step where a range cannot be deleted. */
const CLEAR_KEYS = 1000;

/**
 * An `abstract-level` 3 database in a folder of an engine, for programs and modules written for `level`,
 * `classic-level` or `memory-level`. Text keys and string values lie in the engine as they are, other values as
 * Buffers.
 *
 * `close()` closes this handle and leaves the engine as it is. `open()`, or another handle with the same prefix, finds
 * the data again. Where the engine has no snapshots, `supports.implicitSnapshots` and `supports.explicitSnapshots` are
 * false. An error of the engine gets the code that `abstract-level` has for it, such as LEVEL_LOCKED or
 * LEVEL_CORRUPTION, and is its `cause`.
 *
 * @typeParam KDefault - The type of keys, by `keyEncoding`.
 * @typeParam VDefault - The type of values, by `valueEncoding`.
 * @example
 * const db = new HoldfastLevel(storage.getEngine('sqlite'), { valueEncoding: 'json' });
 * await db.put('ada', { born: 1815 });
 * for await (const [name, { born }] of db.iterator({ gte: 'a' })) console.log(name, born);
 * await db.close();
 */
export class HoldfastLevel<KDefault = string, VDefault = string> extends AbstractLevel<
  string | Buffer,
  KDefault,
  VDefault
> {
  readonly #host: IteratorHost;
  #running = 0;
  #whenIdle: (() => void) | undefined;

  /**
   * @param engine - An engine, also one of your own.
   * @param options - The prefix, and options of `abstract-level` such as `keyEncoding` and `valueEncoding`.
   * @throws StorageTypeError if `engine` is no engine or the prefix is no string; StorageError INVALID_KEY for a prefix
   * that is empty, holds a lone surrogate or belongs to a model.
   */
  constructor(engine: StorageEngine, options?: HoldfastLevelOptions<KDefault, VDefault>) {
    const { prefix = 'level', ...rest } = options ?? {};
    const folder = new Folder(checkedFolder(prefix));
    const full = toEngine(engine);
    const { snapshots } = full.capabilities;
    super(
      {
        encodings: { utf8: true, buffer: true },
        has: true,
        implicitSnapshots: snapshots,
        explicitSnapshots: snapshots,
        permanence: !(full instanceof MemoryStorage),
        signals: { iterators: true },
      },
      rest,
    );
    this.#host = { engine: full, folder };
  }

  /** The engine. For one of your own it is the wrapper. */
  get engine(): Engine {
    return this.#host.engine;
  }

  /** The prefix of the engine's keys of this database, such as `'level/'`. */
  get location(): string {
    return this.#host.folder.path;
  }

  /** @internal */
  async _open(): Promise<void> {
    await this.engine.connect().catch(rethrow);
  }

  /** @internal */
  async _close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
  }

  /** @internal */
  async _get(key: Encoded, { valueEncoding, snapshot }: ReadOptions): Promise<Encoded | undefined> {
    const engineKey = this.#host.folder.engineKey(key);
    return found(await this.#track(this.#from(snapshot, (source) => source.get(engineKey))), valueEncoding);
  }

  /** @internal */
  async _getMany(keys: Encoded[], { valueEncoding, snapshot }: ReadOptions): Promise<(Encoded | undefined)[]> {
    const engineKeys = keys.map((key) => this.#host.folder.engineKey(key));
    const values = await this.#track(this.#from(snapshot, (source) => source.getMany(engineKeys)));
    return values.map((value) => found(value, valueEncoding));
  }

  /** @internal */
  async _has(key: Encoded, { snapshot }: ReadOptions): Promise<boolean> {
    const engineKey = this.#host.folder.engineKey(key);
    return this.#track(this.#from(snapshot, (source) => source.has(engineKey)));
  }

  /** @internal */
  async _hasMany(keys: Encoded[], { snapshot }: ReadOptions): Promise<boolean[]> {
    const engineKeys = keys.map((key) => this.#host.folder.engineKey(key));
    return this.#track(this.#from(snapshot, (source) => Promise.all(engineKeys.map((key) => source.has(key)))));
  }

  /** @internal */
  async _put(key: Encoded, value: Encoded): Promise<void> {
    await this.#track(this.engine.set(this.#host.folder.engineKey(key), value));
  }

  /** @internal */
  async _del(key: Encoded): Promise<void> {
    await this.#track(this.engine.delete(this.#host.folder.engineKey(key)));
  }

  /** @internal */
  async _batch(operations: Operation[]): Promise<void> {
    const { folder, engine } = this.#host;
    const steps = operations.map(({ type, key, value }): BatchOperation => {
      const engineKey = folder.engineKey(key);
      return type === 'put' ? { type: 'set', key: engineKey, value } : { type: 'delete', key: engineKey };
    });
    await this.#track(engine.batch(steps));
  }

  /** @internal */
  async _clear(options: LevelRange & { snapshot?: unknown }): Promise<void> {
    const { engine, folder } = this.#host;
    const bounds = folder.bounds(options);
    if (options.limit === -1 && options.snapshot === undefined) return this.#track(engine[access].clear(bounds));
    const cursor = new Cursor<string>(engine, {
      what: 'keys',
      bounds,
      reverse: options.reverse,
      snapshot: options.snapshot,
    });
    await this.#track(this.#deleteKeys(cursor, options.limit === -1 ? Infinity : options.limit));
  }

  /** @internal */
  _iterator(options: IteratorOptions): object {
    return new EntryIterator(this, this.#host, options);
  }

  /** @internal */
  _keys(options: IteratorOptions): object {
    return new KeyIterator(this, this.#host, options);
  }

  /** @internal */
  _values(options: IteratorOptions): object {
    return new ValueIterator(this, this.#host, options);
  }

  /** @internal */
  _snapshot(options: object): LevelSnapshot {
    if (!this.supports.explicitSnapshots)
      rethrow(new StorageError('NOT_SUPPORTED', `The engine ${this.engine.name} has no snapshots`));
    return new LevelSnapshot(this.engine, options);
  }

  #from<T>(snapshot: unknown, read: (source: Engine | Snapshot) => Promise<T>): Promise<T> {
    // Without a snapshot the read is queued at once, in order with the engine's other calls.
    return snapshot === undefined ? read(this.engine) : LevelSnapshot.taken(snapshot).then(read);
  }

  async #deleteKeys(cursor: Cursor<string>, limit: number): Promise<void> {
    try {
      for (let left = limit; left > 0;) {
        const keys = await cursor.fill(Math.min(CLEAR_KEYS, left), left);
        if (keys.length === 0) return;
        await this.engine.deleteMany(keys);
        left -= keys.length;
      }
    } finally {
      await cursor.close();
    }
  }

  /** Counts a call until it is over, because `close()` waits for it, and translates its error. */
  #track<T>(call: Promise<T>): Promise<T> {
    this.#running++;
    return call.then(
      (result) => {
        this.#leave();
        return result;
      },
      (error: unknown) => {
        this.#leave();
        return rethrow(error);
      },
    );
  }

  #leave(): void {
    if (--this.#running === 0) this.#whenIdle?.();
  }
}

function found(value: unknown, format: Format): Encoded | undefined {
  return value === null ? undefined : toFormat(value, format);
}

function checkedFolder(prefix: unknown): string {
  if (typeof prefix !== 'string')
    throw new StorageTypeError(`Expected option prefix of HoldfastLevel to be a string, got ${describeKind(prefix)}`);
  if (prefix === '') throw new StorageError('INVALID_KEY', 'The prefix of a HoldfastLevel is empty');
  if (!prefix.isWellFormed())
    throw new StorageError('INVALID_KEY', 'The prefix of a HoldfastLevel holds a lone surrogate');
  const folder = `${prefix}/`;
  if (isReserved(folder))
    throw new StorageError('INVALID_KEY', `Keys under ${folder} belong to a model, and no HoldfastLevel may lie there`);
  return folder;
}
