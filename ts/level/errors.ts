import type { ErrorCode } from '../errors/codes.js';
import { isStorageError } from '../errors/storage-error.js';

/** The codes of abstract-level for those of an engine. An error without a code here stays as it is. */
const CODES: Partial<Record<ErrorCode, string>> = {
  INVALID_KEY: 'LEVEL_INVALID_KEY',
  UNSUPPORTED_VALUE: 'LEVEL_INVALID_VALUE',
  VALUE_TOO_LARGE: 'LEVEL_INVALID_VALUE',
  NOT_SUPPORTED: 'LEVEL_NOT_SUPPORTED',
  CLOSED: 'LEVEL_DATABASE_NOT_OPEN',
  LOCKED: 'LEVEL_LOCKED',
  IO: 'LEVEL_IO_ERROR',
  NO_SPACE: 'LEVEL_IO_ERROR',
  READ_ONLY: 'LEVEL_READONLY',
  CORRUPTED: 'LEVEL_CORRUPTION',
  UNSUPPORTED_FORMAT: 'LEVEL_CORRUPTION',
  CONNECTION: 'LEVEL_CONNECTION_LOST',
  TIMEOUT: 'LEVEL_CONNECTION_LOST',
  UNKNOWN_OUTCOME: 'LEVEL_REMOTE_ERROR',
  ABORTED: 'LEVEL_ABORTED',
};

/** An error with a code that abstract-level and its users know. `cause` is the engine's error. */
class LevelError extends Error {
  constructor(
    readonly code: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    if (code === 'LEVEL_ABORTED')
      Object.defineProperty(this, 'name', { value: 'AbortError', configurable: true, writable: true });
  }
}

/** Throws the error of an engine under the code that abstract-level has for it. */
export function rethrow(error: unknown): never {
  const code = isStorageError(error) ? CODES[error.code] : undefined;
  throw code === undefined ? error : new LevelError(code, (error as Error).message, error);
}

/** The error for a snapshot of another database class. */
export function foreignSnapshot(): LevelError {
  return new LevelError(
    'LEVEL_NOT_SUPPORTED',
    'Expected the option snapshot to be what snapshot() of a HoldfastLevel returned',
  );
}
