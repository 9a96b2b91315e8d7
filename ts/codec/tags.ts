import { Buffer } from 'node:buffer';
import { endianness } from 'node:os';

/** The most bytes of an encoded value, unless the configuration says otherwise. */
export const DEFAULT_MAX_VALUE_BYTES: number = 64 * 1024 * 1024;

/**
 * The names of tags. A tag is an object with one key, which stands for a value that JSON does not have. `$escape` marks
 * an object of the user's that looks like a tag.
 */
export const TAGS: ReadonlySet<string> = new Set([
  '$date',
  '$binary',
  '$typedArray',
  '$arrayBuffer',
  '$map',
  '$set',
  '$regExp',
  '$bigint',
  '$number',
  '$escape',
]);

/** A typed array of any kind. */
export interface TypedArray extends ArrayBufferView {
  readonly BYTES_PER_ELEMENT: number;
}

interface TypedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TypedArray;
}

/** The typed arrays of this runtime, by name. */
export const TYPED_ARRAYS: ReadonlyMap<string, TypedArrayConstructor> = new Map(
  [
    'Int8Array',
    'Uint8Array',
    'Uint8ClampedArray',
    'Int16Array',
    'Uint16Array',
    'Int32Array',
    'Uint32Array',
    'BigInt64Array',
    'BigUint64Array',
    'Float16Array',
    'Float32Array',
    'Float64Array',
  ].flatMap((name): [string, TypedArrayConstructor][] => {
    // Float16Array exists from Node 24 on.
    const constructor = (globalThis as unknown as Record<string, TypedArrayConstructor | undefined>)[name];
    return constructor === undefined ? [] : [[name, constructor]];
  }),
);

const BIG_ENDIAN = endianness() === 'BE';

/** Base64 of a view's bytes. Elements of several bytes are little-endian, whatever the host is. */
export function viewToBase64(view: ArrayBufferView, elementBytes: number): string {
  const bytes = Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
  return (BIG_ENDIAN ? swapped(Buffer.from(bytes), elementBytes) : bytes).toString('base64');
}

/** The bytes of a base64 text in its canonical form, in memory of their own; undefined for any other text. */
export function base64ToBytes(text: string, elementBytes: number): ArrayBuffer | undefined {
  // Only a comparison with the canonical text refuses what Buffer tolerates: spaces, the URL alphabet, missing padding,
  // stray bits.
  const length = Math.floor(text.length / 4) * 3 - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
  if (text.length % 4 !== 0 || length % elementBytes !== 0) return undefined;
  const memory = new ArrayBuffer(length);
  const bytes = Buffer.from(memory);
  if (bytes.write(text, 'base64') !== length || bytes.toString('base64') !== text) return undefined;
  if (BIG_ENDIAN) swapped(bytes, elementBytes);
  return memory;
}

function swapped(bytes: Buffer, elementBytes: number): Buffer {
  if (elementBytes === 2) bytes.swap16();
  else if (elementBytes === 4) bytes.swap32();
  else if (elementBytes === 8) bytes.swap64();
  return bytes;
}
