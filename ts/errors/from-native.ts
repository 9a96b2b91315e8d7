import { getSystemErrorName } from 'node:util';
import { ERROR_CODES } from './codes.js';
import type { ErrorCode } from './codes.js';
import { causeOf } from './custom-causes.js';
import { isError } from './is-error.js';
import { StorageError, StorageTypeError, isStorageError } from './storage-error.js';
import type { ErrorContext } from './storage-error.js';

const KNOWN: ReadonlySet<string> = new Set(ERROR_CODES);

/**
 * The error for what the addon threw or settled with: JSON text or an object of
 * `{ code, message, engine, key, operation, cause }`, or an Error whose message is such a text.
 */
export function fromNative(thrown: unknown): StorageError | StorageTypeError {
  if (isStorageError(thrown)) return thrown;
  const description = describe(isError(thrown) ? thrown.message : thrown);
  if (description !== undefined) {
    const { code, message } = description;
    return code === 'INVALID_ARGUMENT'
      ? new StorageTypeError(message, description)
      : new StorageError(code, message, description);
  }
  if (isError(thrown) && CONVERSION_STATUS.has(String((thrown as Error & { code?: unknown }).code))) {
    return new StorageTypeError(thrown.message, { cause: thrown });
  }
  // A panic, or a failure of the binding itself: nobody knows how far the call came.
  return new StorageError('UNKNOWN_OUTCOME', 'The native call failed without saying why', { cause: thrown });
}

// The codes with which napi-rs refuses an argument of another type than the addon asked for.
const CONVERSION_STATUS: ReadonlySet<string> = new Set([
  'InvalidArg',
  'ObjectExpected',
  'StringExpected',
  'FunctionExpected',
  'NumberExpected',
  'BooleanExpected',
  'ArrayExpected',
  'BigintExpected',
  'DateExpected',
  'ArrayBufferExpected',
]);

function describe(thrown: unknown): ({ code: ErrorCode; message: string } & ErrorContext) | undefined {
  let fields: unknown = thrown;
  if (typeof thrown === 'string') {
    try {
      fields = JSON.parse(thrown);
    } catch {
      return undefined;
    }
  }
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { code, message, engine, key, operation, cause } = fields as Record<string, unknown>;
  if (typeof code !== 'string' || !KNOWN.has(code)) return undefined;
  return {
    code: code as ErrorCode,
    message: typeof message === 'string' ? message : code,
    engine: optionalString(engine),
    key: optionalString(key),
    operation: optionalString(operation),
    cause: readCause(cause),
  };
}

/** A cause is an error of ours as an object, `{ errno, message }` of the system, or the text of another error. */
function readCause(cause: unknown): unknown {
  if (typeof cause === 'string') return causeOf(cause);
  if (typeof cause !== 'object' || cause === null) return cause ?? undefined;
  const { code, errno, message } = cause as Record<string, unknown>;
  if (typeof code === 'string') return fromNative(cause);
  return typeof errno === 'number' ? systemError(errno, String(message)) : cause;
}

/** An error like those of Node's own calls: `errno` is negative, `code` its name. Windows has numbers of its own. */
function systemError(errno: number, message: string): Error {
  const error = new Error(message) as Error & { errno: number; code?: string };
  error.errno = -errno;
  if (process.platform !== 'win32') error.code = getSystemErrorName(-errno);
  return error;
}

function optionalString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
