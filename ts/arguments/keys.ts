/// <reference lib="es2024.string" />
import { Buffer } from 'node:buffer';
import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { isReserved } from '../range/reserved.js';

/** The most UTF-8 bytes a key may have. */
const MAX_KEY_BYTES = 4096;

// A UTF-16 unit takes at most three bytes, so shorter keys need not be measured.
const SURELY_FITS = Math.floor(MAX_KEY_BYTES / 3);

/** Throws unless `key` is a non-empty, well-formed string of at most 4,096 UTF-8 bytes. */
export function checkKey(key: unknown, operation?: string): asserts key is string {
  if (typeof key === 'string' && key.length !== 0 && key.length <= SURELY_FITS && key.isWellFormed()) return;
  refuseKey(key, operation);
}

/** Throws unless `key` is a key that does not belong to a model. */
export function checkWritableKey(key: unknown, operation: string): asserts key is string {
  checkKey(key, operation);
  if (isReserved(key)) {
    const folder = key.slice(0, key.indexOf('/') + 1);
    throw new StorageError('INVALID_KEY', `Keys under ${folder} belong to a model and are written through it`, {
      key,
      operation,
    });
  }
}

// Not a part of `checkKey`, which stays small enough for V8 to inline it.
function refuseKey(key: unknown, operation: string | undefined): void {
  if (typeof key !== 'string') {
    throw new StorageTypeError(`Expected the key to be a string, got ${describeKind(key)}`, { operation });
  }
  if (key.length === 0) throw new StorageError('INVALID_KEY', 'The key is empty', { key, operation });
  // More units than bytes allowed need no counting. The error leaves the key out, as it may be huge.
  const bytes = key.length > MAX_KEY_BYTES ? undefined : Buffer.byteLength(key);
  if (bytes === undefined || bytes > MAX_KEY_BYTES) {
    const size = bytes === undefined ? `more than ${MAX_KEY_BYTES}` : String(bytes);
    throw new StorageError('INVALID_KEY', `The key has ${size} UTF-8 bytes; at most ${MAX_KEY_BYTES} are allowed`, {
      operation,
    });
  }
  if (!key.isWellFormed()) {
    throw new StorageError('INVALID_KEY', 'The key holds a lone surrogate, which has no UTF-8 form', {
      key,
      operation,
    });
  }
}
