export { StorageManager } from './manager/storage-manager.js';
export type { StorageEvents } from './manager/events.js';
export type {
  ModelOptions,
  RegisterOptions,
  StorageStats,
  StorageStatsOptions,
  StorageVerifyOptions,
} from './manager/options.js';
export type { BuiltInEngines, ConfiguredEngines, StorageConfig } from './manager/config.js';
export type { CopyOptions, CopyResult } from './manager/copy.js';
export type { ExportOptions, ExportResult, ImportOptions, ImportResult, RefusedLine } from './manager/transfer.js';
export type { ByteSource, ReadableBytes } from './streams/source.js';
export type { ByteTarget, WritableBytes } from './streams/target.js';

export { BaseStorageEngine } from './engines/base.js';
export type { DataMethods, DeclaredCapabilities, Engine, StorageEngine, StoredOptions } from './engines/contract.js';
export { FileStorage } from './engines/built-in/file.js';
export type { FileStorageConfig } from './engines/built-in/file.js';
export type { RetryEvent } from './engines/hooks.js';
export { JavaScriptEngine } from './engines/custom/custom-engine.js';
export { LevelDBStorage } from './engines/built-in/leveldb.js';
export type { LevelDBStorageConfig } from './engines/built-in/leveldb.js';
export { MemoryStorage } from './engines/built-in/memory.js';
export type { MemoryStorageConfig } from './engines/built-in/memory.js';
export type { DurabilityOptions } from './engines/built-in/options.js';
export { RedisStorage } from './engines/built-in/redis.js';
export type { RedisStorageConfig, RedisTlsOptions } from './engines/built-in/redis.js';
export { SQLiteStorage } from './engines/built-in/sqlite.js';
export type { SQLiteStorageConfig } from './engines/built-in/sqlite.js';

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
export type { EntryOf, KeyMap, KeyOf, NumberKeyOf, ValueAt, ValueOf } from './models/value-types.js';
export { Snapshot } from './snapshot.js';
export { decode } from './codec/decode.js';
export { encode } from './codec/encode.js';
export { StorageError, StorageTypeError, isStorageError } from './errors/storage-error.js';
export { ERROR_CODES } from './errors/codes.js';
export type { ErrorContext } from './errors/storage-error.js';
export type { ErrorCode } from './errors/codes.js';
export type {
  ClearEvent,
  DeleteEvent,
  EventPlace,
  SetEvent,
  WatchEvent,
  WatchIterator,
  WatchOptions,
} from './watch/types.js';
export { Consumer } from './consume/consumer.js';
export type {
  ConsumeContext,
  ConsumeDecision,
  ConsumeFailure,
  ConsumeGap,
  ConsumeHandler,
  ConsumeOptions,
  ConsumerState,
  ConsumerStats,
} from './consume/types.js';
export type {
  AbortOptions,
  BatchOperation,
  Capabilities,
  CompareAndSetResult,
  DeleteOptions,
  Durability,
  EngineCounters,
  EngineStats,
  EngineStatus,
  Entry,
  KeyOperation,
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
