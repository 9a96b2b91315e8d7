import { Buffer } from 'node:buffer';
import { isError } from '../errors/is-error.js';
import { StorageError } from '../errors/storage-error.js';
import { isPlain } from './plain.js';
import { DEFAULT_RULES } from './rules.js';
import type { ValueRules } from './rules.js';
import { DEFAULT_MAX_VALUE_BYTES } from './tags.js';
import { Writer } from './writer.js';

/**
 * Encodes a value as every engine stores it: a Buffer as itself, anything else as JSON text. The text of plain JSON
 * values is that of `JSON.stringify`; other types are tagged, as in `{"$date":"2026-01-02T03:04:05.678Z"}`.
 *
 * @param value - null, boolean, number, string, bigint, Date, Buffer, typed array, ArrayBuffer, Map, Set, RegExp, an
 * array or a plain object of these, or an object with `toJSON`. As in JSON, undefined in an array becomes null, and a
 * property that is undefined is left out. In a Map or a Set it is refused.
 * @param maxBytes - The most UTF-8 bytes of the text, or bytes of the Buffer. Default: 64 MiB.
 * @throws {@link StorageError} UNSUPPORTED_VALUE, with the path, for functions, symbols, cycles, holes, invalid Dates,
 * class instances without `toJSON` and other values that would not come back; VALUE_TOO_LARGE over `maxBytes`.
 * @example
 * encode({ born: new Date(0) }); // '{"born":{"$date":"1970-01-01T00:00:00.000Z"}}'
 */
export function encode(value: unknown, maxBytes: number = DEFAULT_MAX_VALUE_BYTES): string | Buffer {
  return encodeValue(value, maxBytes === DEFAULT_MAX_VALUE_BYTES ? DEFAULT_RULES : { ...DEFAULT_RULES, maxBytes });
}

/** The same for the rules of an engine. */
export function encodeValue(value: unknown, rules: ValueRules): string | Buffer {
  const { maxBytes } = rules;
  let text: string | undefined;
  try {
    if (isPlain(value, maxBytes, rules.strictUndefined)) text = JSON.stringify(value);
  } catch (error) {
    throw explain(error, undefined, maxBytes);
  }
  const encoded = text ?? encodeOther(value, rules);
  // A UTF-16 unit takes at most three bytes.
  if (typeof encoded !== 'string' || encoded.length * 3 > maxBytes) checkSize(encoded, maxBytes);
  return encoded;
}

function encodeOther(value: unknown, rules: ValueRules): string | Buffer {
  const { maxBytes } = rules;
  const writer = new Writer(rules);
  let text: string | undefined;
  try {
    if (Buffer.isBuffer(value)) return value;
    text = writer.write(value, '');
  } catch (error) {
    throw explain(error, writer, maxBytes);
  }
  if (text === undefined) throw new StorageError('UNSUPPORTED_VALUE', 'Cannot store undefined at $');
  return text;
}

function checkSize(encoded: string | Buffer, maxBytes: number): void {
  const bytes = Buffer.byteLength(encoded);
  if (bytes > maxBytes) throw tooLarge(maxBytes, bytes);
}

function explain(error: unknown, writer: Writer | undefined, maxBytes: number): StorageError {
  if (writer?.refusal !== undefined && error === writer.refusal) {
    return writer.refusal.code === 'VALUE_TOO_LARGE' ? tooLarge(maxBytes) : writer.refusal;
  }
  if (isError(error) && error.name === 'RangeError') {
    // V8 and JavaScriptCore say "call stack"; other engines have similar words.
    if (/call stack|recursion/i.test(error.message)) {
      const message = `Cannot store a value nested this deep at ${writer?.path ?? '$'}`;
      return new StorageError('UNSUPPORTED_VALUE', message, { cause: error });
    }
    if (/string length|out of memory/i.test(error.message)) return tooLarge(maxBytes, undefined, error);
  }
  return new StorageError('UNSUPPORTED_VALUE', `Cannot read the value at ${writer?.path ?? '$'}: its own code threw`, {
    cause: error,
  });
}

function tooLarge(maxBytes: number, bytes?: number, cause?: unknown): StorageError {
  const size = bytes === undefined ? 'more than' : `${bytes} bytes, over`;
  return new StorageError('VALUE_TOO_LARGE', `The encoded value is ${size} the limit of ${maxBytes} bytes`, { cause });
}
