import { Buffer } from 'node:buffer';
import type { NativeValue } from './interface.js';

// The addon takes a batch as one string of fields, each ended by NUL. JSON texts never hold a raw NUL. Keys may, so NUL
// and the escape character itself are escaped in them. However many operations it holds, one string crosses to the
// addon, and V8 joins it as a rope, without copying.

// eslint-disable-next-line no-control-regex -- the two characters that are escaped
const SPECIAL = /[\0\u0001]/;
// eslint-disable-next-line no-control-regex -- as above
const EACH_SPECIAL = /[\0\u0001]/g;

/** The field of a key, without the NUL that ends it. */
export function escapeKey(key: string): string {
  return SPECIAL.test(key) ? key.replace(EACH_SPECIAL, (unit) => (unit === '\0' ? '\u00010' : '\u00011')) : key;
}

/** The text of many keys. */
export function keysText(keys: readonly string[]): string {
  let text = '';
  for (const key of keys) text += `${escapeKey(key)}\0`;
  return text;
}

/** The expiry and metadata of a write, as the addon takes them. */
export interface WriteExtras {
  /** Milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
  /** JSON text. */
  readonly metadata?: string | undefined;
}

export function setText(key: string, value: NativeValue, extras?: WriteExtras): string {
  const binary = typeof value !== 'string';
  const field = binary ? value.toString('base64') : value;
  if (extras === undefined || !hasExtras(extras)) return `${binary ? 'B' : 'S'}${escapeKey(key)}\0${field}\0`;
  return `${binary ? 'U' : 'T'}${escapeKey(key)}\0${field}\0${extrasText(extras)}\0`;
}

export function deleteText(key: string): string {
  return `D${escapeKey(key)}\0`;
}

/** An addition to a number. */
export function addText(key: string, by: number, extras?: WriteExtras): string {
  const number = Object.is(by, -0) ? '-0' : String(by);
  if (extras === undefined || !hasExtras(extras)) return `A${escapeKey(key)}\0${number}\0`;
  return `I${escapeKey(key)}\0${number}\0${extrasText(extras)}\0`;
}

/** A check that a key has this version; null: that it is absent. */
export function checkText(key: string, version: string | null): string {
  return `C${escapeKey(key)}\0${version ?? ''}\0`;
}

/** The deletion of all keys of a range, whose text is JSON. */
export function clearRangeText(range: string): string {
  return `R${range}\0`;
}

/** The deletion of everything, including what the models keep. */
export const CLEAR_TEXT = 'X\0';

/** The text of a value where only text is allowed. */
export function asText(value: NativeValue): string {
  return Buffer.isBuffer(value) ? `{"$binary":"${value.toString('base64')}"}` : value;
}

function hasExtras(extras: WriteExtras): boolean {
  return extras.expiresAt !== undefined || extras.metadata !== undefined;
}

function extrasText({ expiresAt, metadata }: WriteExtras): string {
  const fields = [];
  if (expiresAt !== undefined) fields.push(`"expiresAt":${expiresAt}`);
  if (metadata !== undefined) fields.push(`"metadata":${JSON.stringify(metadata)}`);
  return `{${fields.join()}}`;
}
