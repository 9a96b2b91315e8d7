// Values that come back as they went in.
import assert from 'node:assert';
import vm from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { decode, encode } from '../helpers/entry.mjs';
import { anyString, anyValue, objectOf, plainValue } from '../helpers/values.mjs';

const RUNS = { numRuns: 1000 };

test('any supported value comes back as it went in, prototypes included', (t) => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const encoded = encode(value);
      if (typeof encoded === 'string') assert.ok(encoded.isWellFormed());
      assert.deepStrictEqual(decode(encoded), value);
    }),
    RUNS,
  );
  t.pass();
});

test('encoding what was decoded gives the same text', (t) => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const encoded = encode(value);
      if (typeof encoded === 'string') assert.strictEqual(encode(decode(encoded)), encoded);
    }),
    RUNS,
  );
  t.pass();
});

test('plain JSON values are what JSON.stringify says, also beside a tagged one', (t) => {
  fc.assert(
    fc.property(plainValue, (value) => {
      const text = JSON.stringify(value);
      assert.strictEqual(encode(value), text);
      assert.strictEqual(encode([value, 1n]), `[${text},{"$bigint":"1"}]`);
    }),
    RUNS,
  );
  t.pass();
});

test('any string is a value and a property name', (t) => {
  fc.assert(
    fc.property(anyString, (text) => {
      assert.strictEqual(decode(encode(text)), text);
      const object = objectOf([[text, text]]);
      assert.deepStrictEqual(decode(encode(object)), object);
    }),
    RUNS,
  );
  t.pass();
});

test('shared references come back', (t) => {
  const shared = { at: new Date(0) };
  t.deepEqual(decode(encode([shared, shared])), [shared, shared]);
});

test('nested values come back', (t) => {
  for (const inner of [1, 1n]) {
    let value = inner;
    for (let level = 0; level < 500; level++) value = [value];
    t.is(decode(encode(value)).flat(Infinity)[0], inner);
  }
});

test('values of another realm are values', (t) => {
  const foreign = vm.runInNewContext(
    `({
      list: [1, { a: -0 }],
      at: new Date(0),
      map: new Map([[1, new Set([2])]]),
      re: /a/g,
      bytes: new Uint8Array([1]),
      none: Object.create(null),
    })`,
  );
  t.deepEqual(decode(encode(foreign)), {
    list: [1, { a: -0 }],
    at: new Date(0),
    map: new Map([[1, new Set([2])]]),
    re: /a/g,
    bytes: new Uint8Array([1]),
    none: {},
  });
});

test('views over shared or larger memory give their own bytes', (t) => {
  const view = new Uint16Array(new SharedArrayBuffer(8), 2, 2);
  view.set([1, 2]);
  t.deepEqual(decode(encode(view)), new Uint16Array([1, 2]));
  t.deepEqual(decode(encode(new Float64Array([1, -0, NaN]).subarray(1))), new Float64Array([-0, NaN]));
});

test('a null prototype comes back plain', (t) => {
  const value = Object.assign(Object.create(null), { a: 1, b: new Date(0) });
  const decoded = decode(encode(value));
  t.is(Object.getPrototypeOf(decoded), Object.prototype);
  t.deepEqual(decoded, { a: 1, b: new Date(0) });
});
