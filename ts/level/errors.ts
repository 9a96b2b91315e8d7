import type { ErrorCode } from '../errors/codes.js';
import { isStorageError } from '../errors/storage-error.js';

/** What abstract-level calls the errors of an engine. Those it has no name for stay as they are. */
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

/** An error as abstract-level and what is built on it expect it; `cause` is what the engine said. */
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

/** Throws what an engine rejected with, under the code that abstract-level has for it. */
export function rethrow(error: unknown): never {
  const code = isStorageError(error) ? CODES[error.code] : undefined;
  throw code === undefined ? error : new LevelError(code, (error as Error).message, error);
}

/** The error of a snapshot that is none of ours. */
export function foreignSnapshot(): LevelError {
  return new LevelError(
    'LEVEL_NOT_SUPPORTED',
    'Expected the option snapshot to be what snapshot() of a HoldfastLevel returned',
  );
}
