import { BRAND } from './brand.js';
import { RETRYABLE_CODES } from './codes.js';
import type { ErrorCode } from './codes.js';
import { deepenStack, retrace, setLimit } from './stack.js';

/** The place at which an error arose, and its cause. */
export interface ErrorContext {
  /** Name of the engine, such as `'sqlite'`. */
  readonly engine?: string | undefined;
  /** The key concerned. */
  readonly key?: string | undefined;
  /** The method called, such as `'set'`. */
  readonly operation?: string | undefined;
  /** The error underneath. */
  readonly cause?: unknown;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(RETRYABLE_CODES);

/**
 * A storage operation failed.
 *
 * Messages never hold a password, key material or a stored value.
 *
 * @example
 * try {
 *   await storage.getEngine().set('greeting', () => 'hello');
 * } catch (error) {
 *   if (isStorageError(error) && error.code === 'UNSUPPORTED_VALUE') console.warn(error.message);
 * }
 */
export class StorageError extends Error {
  /** A stable upper-case code that says what went wrong. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed when it is made again: after CONFLICT, LOCKED, TIMEOUT and CONNECTION. */
  readonly retryable: boolean;
  /** Name of the engine concerned, if one is. */
  declare readonly engine?: string;
  /** The key concerned, if one is. */
  declare readonly key?: string;
  /** The method that failed, if known. */
  declare readonly operation?: string;

  /** Engines of your own make one to say what went wrong. */
  constructor(code: ErrorCode, message: string, context?: ErrorContext) {
    const limit = deepenStack();
    super(message, causeOf(context));
    setLimit(limit);
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    setContext(this, context);
    if (code === 'ABORTED') {
      Object.defineProperty(this, 'name', { value: 'AbortError', configurable: true, writable: true });
      // The first line of the stack has the class's name: write it again.
      retrace(this, StorageError as never);
    }
  }
}

/**
 * An argument or option has the wrong JavaScript type, or does not exist. Its code is always INVALID_ARGUMENT.
 *
 * @example
 * await engine.get(42); // rejects: Expected the key to be a string, got a number
 */
export class StorageTypeError extends TypeError {
  /** Always `'INVALID_ARGUMENT'`. */
  readonly code: ErrorCode = 'INVALID_ARGUMENT';
  /** Always false: the call has to change. */
  readonly retryable: boolean = RETRYABLE.has('INVALID_ARGUMENT');
  /** Name of the engine concerned, if one is. */
  declare readonly engine?: string;
  /** The key concerned, if one is. */
  declare readonly key?: string;
  /** The method that failed, if known. */
  declare readonly operation?: string;

  /** Engines of your own make one when they check their arguments. */
  constructor(message: string, context?: ErrorContext) {
    const limit = deepenStack();
    super(message, causeOf(context));
    setLimit(limit);
    setContext(this, context);
  }
}

for (const [constructor, name] of [
  [StorageError, 'StorageError'],
  [StorageTypeError, 'StorageTypeError'],
] as const) {
  Object.defineProperty(constructor.prototype, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(constructor.prototype, BRAND, { value: true });
}

/**
 * Whether `error` is a {@link StorageError} or a {@link StorageTypeError}, also one made by another copy of this
 * package.
 *
 * @example
 * if (isStorageError(error) && error.retryable) return again();
 */
export function isStorageError(error: unknown): error is StorageError | StorageTypeError {
  try {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
  } catch {
    return false; // a revoked or hostile proxy
  }
}

/** Adds the parts of `context` that `error` does not have yet, and returns it. */
export function addContext<E extends StorageError | StorageTypeError>(error: E, context: ErrorContext): E {
  setContext(error, context);
  return error;
}

/** The same error again, for another caller. */
export function sameAgain(error: unknown): unknown {
  if (!isStorageError(error)) return error;
  const { code, message } = error;
  return code === 'INVALID_ARGUMENT' ? new StorageTypeError(message, error) : new StorageError(code, message, error);
}

function causeOf(context: ErrorContext | undefined): ErrorOptions | undefined {
  return context !== undefined && context.cause !== undefined ? { cause: context.cause } : undefined;
}

// Absent fields are left out, so that `util.inspect` shows known ones only.
function setContext(error: StorageError | StorageTypeError, context: ErrorContext | undefined): void {
  if (context === undefined) return;
  const target = error as { engine?: string; key?: string; operation?: string };
  if (context.engine !== undefined && target.engine === undefined) target.engine = context.engine;
  if (context.key !== undefined && target.key === undefined) target.key = context.key;
  if (context.operation !== undefined && target.operation === undefined) target.operation = context.operation;
}
