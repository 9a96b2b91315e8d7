import { isError } from '../errors/is-error.js';
import { StorageError, isStorageError } from '../errors/storage-error.js';
import type { ErrorCode } from '../errors/codes.js';

const CODES: Readonly<Record<string, ErrorCode>> = { ENOSPC: 'NO_SPACE', EDQUOT: 'NO_SPACE', EROFS: 'READ_ONLY' };

/** The error for a file that could not be read or written. An error of ours passes as it is. */
export function fileError(error: unknown, what: string): unknown {
  if (isStorageError(error) || !isError(error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  return new StorageError(CODES[code] ?? 'IO', `${what}: ${error.message}`, { cause: error });
}
