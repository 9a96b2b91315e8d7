import { Buffer, isUtf8 } from 'node:buffer';

// A key of a level database may be any bytes, and a key of an engine is text. The name of a level key is its text in
// the engine. A key that is UTF-8 is its own name, except that U+10FFFF, which marks other bytes, is written as the
// mark and a hyphen. Bytes that are no UTF-8 are written as the last code point that sorts before them, the mark, and
// all bytes from there on in hexadecimal. Any text after the same code point sorts before the mark, so names have the
// order of the keys' bytes. docs/decisions/0010-level.md has the reason and the proof.

const MARK = '\u{10ffff}';
/** The name of the mark itself: `-` sorts before every digit. */
const ITSELF = `${MARK}-`;
const BINARY = /^([^]*)\u{10ffff}((?:[0-9a-f]{2})+)$/u;

/** The formats in which private calls of abstract-level give and take keys and values. */
export type Format = 'utf8' | 'buffer';

/** The name of a key. Lone surrogates become U+FFFD, as they do in UTF-8. */
export function nameOf(key: string | Buffer): string {
  if (typeof key === 'string') return named(key.toWellFormed());
  return isUtf8(key) ? named(key.toString('utf8')) : binaryName(key);
}

/** The key that has a name. */
export function keyOf(name: string, format: Format): string | Buffer {
  if (!name.includes(MARK)) return format === 'utf8' ? name : Buffer.from(name);
  const key = binaryKey(name) ?? Buffer.from(name.replaceAll(ITSELF, MARK));
  return format === 'utf8' ? key.toString('utf8') : key;
}

function named(text: string): string {
  return text.includes(MARK) ? text.replaceAll(MARK, ITSELF) : text;
}

function binaryName(key: Buffer): string {
  let at = 0;
  let found = readCodePoint(key, 0);
  while (found.bytes > 0) found = readCodePoint(key, (at += found.bytes));
  return `${named(key.toString('utf8', 0, at) + String.fromCodePoint(found.before))}${MARK}${key.toString('hex', at)}`;
}

function binaryKey(name: string): Buffer | undefined {
  const match = BINARY.exec(name);
  if (match === null) return undefined;
  const text = match[1].replaceAll(ITSELF, MARK);
  const low = text.charCodeAt(text.length - 1);
  const valid = text.slice(0, low >= 0xdc00 && low <= 0xdfff ? -2 : -1);
  const key = Buffer.concat([Buffer.from(valid), Buffer.from(match[2], 'hex')]);
  // Another program may have written a text that only looks like the name of bytes.
  return !isUtf8(key) && binaryName(key) === name ? key : undefined;
}

/**
 * The number of bytes of the code point at `at`. If there is none: 0, and the last code point that sorts before the
 * bytes.
 */
function readCodePoint(key: Buffer, at: number): { bytes: number; before: number } {
  const lead = key[at];
  if (lead < 0x80) return { bytes: 1, before: 0 };
  if (lead < 0xc2) return { bytes: 0, before: 0x7f };
  if (lead > 0xf4) return { bytes: 0, before: 0x10ffff };
  const more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
  const least = [0x80, 0x800, 0x10000][more - 1];
  let point = lead & (0x3f >> more);
  for (let index = 1; index <= more; index++) {
    const byte = key[at + index] ?? 0;
    const bits = 6 * (more - index);
    if (byte < 0x80) return { bytes: 0, before: scalarUpTo(Math.max((point << (bits + 6)) - 1, least - 1)) };
    if (byte > 0xbf) return { bytes: 0, before: scalarUpTo(Math.max(((point + 1) << (bits + 6)) - 1, least - 1)) };
    point = (point << 6) | (byte & 0x3f);
  }
  const before = scalarUpTo(Math.max(point, least - 1));
  return { bytes: point >= least && before === point ? more + 1 : 0, before };
}

/** The last code point up to `point` that has a UTF-8 form. */
function scalarUpTo(point: number): number {
  return point >= 0xd800 && point <= 0xdfff ? 0xd7ff : Math.min(point, 0x10ffff);
}
