import { integer, nonEmptyString, object, oneOf, section } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import { DEFAULT_MAX_VALUE_BYTES } from '../codec/tags.js';
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
import type { StorageEngine } from '../engines/contract.js';
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
  /** How reads, transactions and connections are made again after a retryable error. */
  retry?: RetryOptions | undefined;
  /** The idle timeout of transactions, and the folder of their log. */
  transactions?: TransactionsConfig | undefined;
}

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
    retry: section(RETRY_SHAPE),
    transactions: section(CONFIG_SHAPE),
  });
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

export function maxValueBytesOf(config: StorageConfig): number {
  return config.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES;
}
