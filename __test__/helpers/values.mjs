import { Buffer } from 'node:buffer';
import fc from 'fast-check';

const TYPED_ARRAYS = [
  fc.int8Array(),
  fc.uint8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
];

export const TAG_NAMES = [
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
];

/** Any string of UTF-16 units, lone surrogates included. */
export const anyString = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('\ud800', 'a\udfffb', '"$date"', '\u0000', '\u2028'),
);

const propertyName = fc.oneof(
  { weight: 3, arbitrary: anyString },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty', '0', '-1', '', ...TAG_NAMES) },
);

/** A plain object with exactly these properties, `__proto__` among them. */
export function objectOf(entries) {
  const object = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return object;
}

const tagContent = fc.constantFrom(
  '2026-01-02T03:04:05.678Z',
  'AQI=',
  'NaN',
  '-0',
  '12',
  '',
  null,
  [],
  [[1, 2]],
  [1],
  { source: 'a', flags: 'g' },
  { type: 'Uint8Array', base64: 'AQI=' },
);

/** Any value of JSON, without objects that look like a tag. */
export const plainValue = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, tie('leaf'), fc.array(tie('value'), { maxLength: 5 }), tie('object')),
  leaf: fc.oneof(
    anyString,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    fc.boolean(),
    fc.constant(null),
  ),
  object: fc
    .array(
      fc.tuple(
        propertyName.filter((name) => !name.startsWith('$')),
        tie('value'),
      ),
      { maxLength: 5 },
    )
    .map(objectOf),
})).value;

/** Any value the contract supports, at any depth. */
export const anyValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(propertyName, tie('value')), { maxLength: 4 }).map(objectOf),
    fc.tuple(fc.constantFrom(...TAG_NAMES), fc.oneof(tie('value'), tagContent)).map((entry) => objectOf([entry])),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
  ),
  leaf: fc.oneof(
    anyString,
    fc.double(),
    fc.constantFrom(NaN, Infinity, -Infinity, -0),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt(),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.uint8Array().map((bytes) => new Uint8Array(bytes).buffer),
    fc.constantFrom(
      /a/,
      /[/\n]"\u{1F600}/giu,
      new RegExp(''),
      new RegExp('/'),
      new RegExp(String.fromCharCode(10), 'dsy'),
    ),
    ...TYPED_ARRAYS,
  ),
})).value;
