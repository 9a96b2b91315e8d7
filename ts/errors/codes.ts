// Written from core/src/error/code.rs by core/tests/facade.rs: change it there.

/** Every code a {@link StorageError} can carry. Codes are stable: programs may branch on them. */
export const ERROR_CODES = [
  'ENGINE_NOT_FOUND',
  'INVALID_ARGUMENT',
  'INVALID_KEY',
  'UNSUPPORTED_VALUE',
  'VALUE_TOO_LARGE',
  'NOT_SUPPORTED',
  'CLOSED',
  'LOCKED',
  'IO',
  'NO_SPACE',
  'READ_ONLY',
  'CORRUPTED',
  'UNSUPPORTED_FORMAT',
  'CONNECTION',
  'TIMEOUT',
  'ABORTED',
  'CONFLICT',
  'TRANSACTION_NOT_FOUND',
  'TRANSACTION_COMPLETED',
  'TRANSACTION_TIMEOUT',
  'DOCUMENT_NOT_FOUND',
  'DUPLICATE_KEY',
  'VALIDATION_FAILED',
  'OBJECT_NOT_FOUND',
  'PRECONDITION_FAILED',
  'NODE_NOT_FOUND',
  'EDGE_NOT_FOUND',
  'BACKUP_NOT_FOUND',
  'BACKUP_CORRUPTED',
  'DECRYPTION_FAILED',
  'MIGRATION_LOCKED',
  'MIGRATION_CHANGED',
  'MIGRATION_FAILED',
  'UNKNOWN_OUTCOME',
] as const;

/** Codes after which the same call may succeed when it is made again. */
export const RETRYABLE_CODES = ['LOCKED', 'CONNECTION', 'TIMEOUT', 'CONFLICT'] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];
