import { boolean, callback, integer, nonEmptyString, object, oneOf, section } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import { nearest } from '../arguments/nearest.js';
import { DEFAULT_RULES } from '../codec/rules.js';
import type { ValueRules } from '../codec/rules.js';
import { FileStorage } from '../engines/built-in/file.js';
import type { FileStorageConfig } from '../engines/built-in/file.js';
import { LevelDBStorage } from '../engines/built-in/leveldb.js';
import type { LevelDBStorageConfig } from '../engines/built-in/leveldb.js';
import { MemoryStorage } from '../engines/built-in/memory.js';
import type { MemoryStorageConfig } from '../engines/built-in/memory.js';
import type { NativeEngine } from '../engines/built-in/native-engine.js';
import { RedisStorage } from '../engines/built-in/redis.js';
import type { RedisStorageConfig } from '../engines/built-in/redis.js';
import { SQLiteStorage } from '../engines/built-in/sqlite.js';
import type { SQLiteStorageConfig } from '../engines/built-in/sqlite.js';
import type { Engine, StorageEngine } from '../engines/contract.js';
import type { JavaScriptEngine } from '../engines/custom/custom-engine.js';
import { StorageError } from '../errors/storage-error.js';
import { RETRY_SHAPE } from '../retry.js';
import { CONFIG_SHAPE } from '../transactions/options.js';
import type { TransactionsConfig } from '../transactions/options.js';
import type { Durability, RetryOptions } from '../types.js';

/** Options of {@link StorageManager}. */
export interface StorageConfig {
  /** The engine that is used where none is named. Default: `'file'`. */
  defaultEngine?: string | undefined;
  /** Adds the engine `file`. */
  file?: FileStorageConfig | undefined;
  /** Adds the engine `sqlite`. */
  sqlite?: SQLiteStorageConfig | undefined;
  /** Adds the engine `leveldb`. */
  leveldb?: LevelDBStorageConfig | undefined;
  /** Adds the engine `redis`. */
  redis?: RedisStorageConfig | undefined;
  /** Options of the engine `memory`, which is always there. */
  memory?: MemoryStorageConfig | undefined;
  /** Engines of your own, by name. */
  engines?: Record<string, StorageEngine> | undefined;
  /** The failures that a resolved write survives, for engines whose section does not say it. Default: `'full'`. */
  durability?: Durability | undefined;
  /** The most UTF-8 bytes of an encoded value. Larger ones are refused with VALUE_TOO_LARGE. Default: 64 MiB. */
  maxValueBytes?: number | undefined;
  /**
   * Refuse undefined inside arrays and objects. Else JSON's rules hold: in an array it becomes null, and a property is
   * left out. In a Map or a Set it is always refused. Default: false.
   */
  strictUndefined?: boolean | undefined;
  /**
   * Gives the time, in milliseconds since 1970, for tests that drive expiry. It takes the place of the system's clock
   * in every store of the process until the manager is closed, also where several managers have one: the latest
   * counts. A Redis server goes by a clock of its own. Default: the system's clock.
   */
  clock?: (() => number) | undefined;
  /** How reads, transactions and connections are made again after a retryable error. */
  retry?: RetryOptions | undefined;
  /** The idle timeout of transactions, and the folder of their log. */
  transactions?: TransactionsConfig | undefined;
}

/** The built-in engines, by the sections of a {@link StorageConfig}. */
export interface BuiltInEngines {
  file: FileStorage;
  sqlite: SQLiteStorage;
  leveldb: LevelDBStorage;
  redis: RedisStorage;
  memory: MemoryStorage;
}

/**
 * The engines that a configuration gives, by name.
 *
 * @typeParam Section - The sections that are given.
 * @typeParam Own - The type of the section `engines`.
 */
export type ConfiguredEngines<Section extends string, Own> = Omit<
  Pick<BuiltInEngines, (Section & keyof BuiltInEngines) | 'memory'>,
  keyof Own
> & { [Name in keyof Own]: Own[Name] extends Engine ? Own[Name] : JavaScriptEngine };

/** Throws a StorageTypeError for an unknown option or one of a wrong type. The engines check their sections. */
export function checkConfig(config: unknown): void {
  checkOptions('StorageManager', config, {
    defaultEngine: nonEmptyString,
    file: object,
    sqlite: object,
    leveldb: object,
    redis: object,
    memory: object,
    engines: object,
    durability: oneOf('full', 'normal', 'none'),
    maxValueBytes: integer(1),
    strictUndefined: boolean,
    clock: callback,
    retry: section(RETRY_SHAPE),
    transactions: section(CONFIG_SHAPE),
  });
}

/** What to put into the configuration for each engine. */
const SECTIONS: Readonly<Record<string, string>> = {
  file: "file: { basePath: './data' }",
  sqlite: "sqlite: { path: './data.db' }",
  leveldb: "leveldb: { path: './data' }",
  redis: "redis: { url: 'redis://127.0.0.1' }",
};

/** The error for an engine that is not there. It may be registered later, so no constructor throws it. */
export function engineNotFound(wanted: string, known: readonly string[]): StorageError {
  const section = Object.hasOwn(SECTIONS, wanted) ? SECTIONS[wanted] : undefined;
  const meant = nearest(wanted, [...known, ...Object.keys(SECTIONS)]);
  const remedy =
    section !== undefined
      ? `add ${section} to the configuration of the StorageManager`
      : meant !== undefined
        ? `did you mean ${meant}?`
        : `add it with registerEngine('${wanted.slice(0, 64)}', engine)`;
  const message = `Storage engine not found: ${wanted}; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}; ${remedy}`;
  return new StorageError('ENGINE_NOT_FOUND', message, { engine: wanted });
}

/** The engines of a configuration. */
export function configuredEngines(config: StorageConfig): Map<string, NativeEngine<unknown>> {
  const { durability } = config;
  const engines = new Map<string, NativeEngine<unknown>>();
  if (config.file) engines.set('file', new FileStorage({ durability, ...config.file }));
  if (config.sqlite) engines.set('sqlite', new SQLiteStorage({ durability, ...config.sqlite }));
  if (config.leveldb) engines.set('leveldb', new LevelDBStorage({ durability, ...config.leveldb }));
  if (config.redis) engines.set('redis', new RedisStorage({ durability, ...config.redis }));
  engines.set('memory', new MemoryStorage({ durability, ...config.memory }));
  return engines;
}

/** The rules for values. */
export function rulesOf({ maxValueBytes, strictUndefined }: StorageConfig): ValueRules {
  return {
    maxBytes: maxValueBytes ?? DEFAULT_RULES.maxBytes,
    strictUndefined: strictUndefined ?? DEFAULT_RULES.strictUndefined,
  };
}
