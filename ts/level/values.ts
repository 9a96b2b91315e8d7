import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { encode } from '../codec/encode.js';
import type { Format } from './keys.js';

/**
 * A stored value in the format asked for. HoldfastLevel writes strings and Buffers. Another program may have written
 * other values, which are read as their JSON text.
 */
export function toFormat(value: unknown, format: Format): string | Buffer {
  const stored =
    typeof value === 'string' ? value : types.isUint8Array(value) ? asBuffer(value) : encode(value, Infinity);
  if (typeof stored === 'string') return format === 'utf8' ? stored : Buffer.from(stored);
  return format === 'utf8' ? stored.toString('utf8') : stored;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
