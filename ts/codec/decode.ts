import { Buffer } from 'node:buffer';
import { isError } from '../errors/is-error.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { describeKind } from './kinds.js';
import { revive } from './revive.js';

// The name of a tag consists of letters, and any character may be written as an escape.
const TAG_START = /"(?:\$|\\u0024)[a-zA-Z\\]/;

/**
 * Decodes what {@link encode} returned, or any JSON text. A tag counts only in its exact shape; an object that merely
 * looks like a tag is a plain object.
 *
 * @param stored - JSON text, or a Buffer, which is the value itself.
 * @throws {@link StorageError} CORRUPTED if the text is not JSON; {@link StorageTypeError} for any other type.
 * @example
 * decode('{"born":{"$date":"1970-01-01T00:00:00.000Z"}}'); // { born: new Date(0) }
 */
export function decode<T = unknown>(stored: string | Buffer): T {
  if (typeof stored !== 'string') {
    if (Buffer.isBuffer(stored)) return stored as T;
    throw new StorageTypeError(`Expected a text or a Buffer to decode, got ${describeKind(stored)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch (error) {
    throw corrupted(error);
  }
  // Search for one character first: the search for two is several times slower, as every JSON text is full of quotes.
  if ((stored.includes('$') || (stored.includes('\\') && stored.includes('\\u0024'))) && TAG_START.test(stored))
    value = revive(value);
  return value as T;
}

// The parser's own error quotes the text, which is a stored value. So it is no cause, and only its position is kept.
function corrupted(error: unknown): StorageError {
  const position = /at position (\d+)/.exec(isError(error) ? error.message : '')?.[1];
  const where = position === undefined ? '' : ` (at position ${position})`;
  return new StorageError('CORRUPTED', `The stored text is not valid JSON${where}`);
}
