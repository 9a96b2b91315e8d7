export { StorageManager } from './storage-manager.js';
export type { ModelOptions, RegisterOptions, StorageEvents, StorageStats } from './storage-manager.js';
export type { StorageConfig } from './config.js';
export type { CopyOptions, CopyResult } from './copy.js';

export { BaseStorageEngine } from './engines/base.js';
export type { DataMethods, DeclaredCapabilities, Engine, StorageEngine, StoredOptions } from './engines/contract.js';
export { FileStorage } from './engines/file.js';
export type { FileStorageConfig } from './engines/file.js';
export type { RetryEvent } from './engines/hooks.js';
export { JavaScriptEngine } from './engines/javascript.js';
export { LevelDBStorage } from './engines/leveldb.js';
export type { LevelDBStorageConfig } from './engines/leveldb.js';
export { MemoryStorage } from './engines/memory.js';
export type { MemoryStorageConfig } from './engines/memory.js';
export type { DurabilityOptions } from './engines/options.js';
export { RedisStorage } from './engines/redis.js';
export type { RedisStorageConfig, RedisTlsOptions } from './engines/redis.js';
export { SQLiteStorage } from './engines/sqlite.js';
export type { SQLiteStorageConfig } from './engines/sqlite.js';

export { Transaction } from './transactions/transaction.js';
export { TransactionManager } from './transactions/transaction-manager.js';
export type {
  RecoveredTransactions,
  RunTransactionOptions,
  TransactionOptions,
  TransactionStats,
  TransactionStatus,
  TransactionsConfig,
} from './transactions/options.js';

export { KeyValueStore } from './models/key-value-store.js';
export { Snapshot } from './snapshot.js';
export { decode } from './codec/decode.js';
export { encode } from './codec/encode.js';
export { ERROR_CODES, StorageError, StorageTypeError, isStorageError } from './errors.js';
export type { ErrorCode, ErrorContext } from './errors.js';
export type { ClearEvent, DeleteEvent, SetEvent, WatchEvent, WatchIterator, WatchOptions } from './watch/types.js';
export type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
  Durability,
  EngineCounters,
  EngineStats,
  EngineStatus,
  Entry,
  LongCallOptions,
  Progress,
  Range,
  RecordOptions,
  RetryOptions,
  SetManyOptions,
  SetOptions,
  StorageIterator,
  VerifyOptions,
  VerifyReport,
} from './types.js';
