import { Buffer } from 'node:buffer';
import { decode } from './decode.js';
import { encode } from './encode.js';

/** A copy of a value, as every engine would return it. Throws for a value that no engine would store. */
export function copyOf(value: unknown, maxBytes: number): unknown {
  return decodedCopy(encode(value, maxBytes));
}

/** The value of an encoded one that shares no memory with it. */
export function decodedCopy(encoded: string | Buffer): unknown {
  return typeof encoded === 'string' ? decode(encoded) : Buffer.from(encoded);
}
