import assert from 'node:assert';
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import vm from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import { decode, encode, isStorageError } from '../helpers/entry.mjs';
import { anyString, anyValue, objectOf, plainValue, TAG_NAMES } from '../helpers/values.mjs';

const RUNS = { numRuns: 1000 };

function refusal(t, value, message, code = 'UNSUPPORTED_VALUE') {
  const error = t.throws(() => encode(value));
  t.true(isStorageError(error), inspect(error));
  t.is(error.code, code);
  if (message instanceof RegExp) t.regex(error.message, message);
  else t.is(error.message, message);
  return error;
}

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

test('each type has the text the format promises', (t) => {
  const cases = [
    [new Date('2026-01-02T03:04:05.678Z'), '{"$date":"2026-01-02T03:04:05.678Z"}'],
    [new Date(8.64e15), '{"$date":"+275760-09-13T00:00:00.000Z"}'],
    [[Buffer.from([1, 2])], '[{"$binary":"AQI="}]'],
    [new Uint16Array([1]), '{"$typedArray":{"type":"Uint16Array","base64":"AQA="}}'],
    [new Uint8Array([1, 2]).buffer, '{"$arrayBuffer":"AQI="}'],
    [new Map([['a', 1]]), '{"$map":[["a",1]]}'],
    [new Set([1, 'a']), '{"$set":[1,"a"]}'],
    [/a"b/gi, '{"$regExp":{"source":"a\\"b","flags":"gi"}}'],
    [-123n, '{"$bigint":"-123"}'],
    [NaN, '{"$number":"NaN"}'],
    [-Infinity, '{"$number":"-Infinity"}'],
    [-0, '{"$number":"-0"}'],
    [{ $date: 1 }, '{"$escape":{"$date":1}}'],
    [{ $escape: { $date: 1 } }, '{"$escape":{"$escape":{"$escape":{"$date":1}}}}'],
    [{ $date: 1, other: undefined }, '{"$escape":{"$date":1}}'],
    [{ $date: 1, other: 2 }, '{"$date":1,"other":2}'],
    [{ $other: 1 }, '{"$other":1}'],
  ];
  for (const [value, text] of cases) t.is(encode(value), text);
});

test('a Buffer is itself', (t) => {
  const bytes = Buffer.from('raw');
  t.is(encode(bytes), bytes);
  t.is(decode(bytes), bytes);
});

test('undefined inside follows JSON', (t) => {
  t.is(encode({ a: undefined, b: [undefined, 1] }), '{"b":[null,1]}');
  t.is(encode({ a: undefined, b: 1n }), '{"b":{"$bigint":"1"}}');
  t.deepEqual(decode(encode(new Map([[undefined, undefined]]))), new Map([[null, null]]));
  t.deepEqual(decode(encode(new Set([undefined, null]))), new Set([null]));
});

test('what would not come back is refused with its path', (t) => {
  class Point {}
  class Dates extends Date {
    toJSON = undefined;
  }
  refusal(t, undefined, 'Cannot store undefined at $');
  refusal(t, { a: { b: [0, 1, 2, () => 1] } }, 'Cannot store a function at $.a.b[3]');
  refusal(t, { 'a b': Symbol('secret') }, 'Cannot store a symbol at $["a b"]');
  refusal(t, { [Symbol('secret')]: 1 }, 'Cannot store a symbol key at $');
  refusal(t, [1, , 3], 'Cannot store a hole of a sparse array at $[1]'); // eslint-disable-line no-sparse-arrays
  refusal(t, { at: new Date(NaN) }, 'Cannot store an invalid Date at $.at');
  refusal(t, [new DataView(new ArrayBuffer(1))], 'Cannot store an instance of DataView at $[0]');
  refusal(t, new SharedArrayBuffer(1), 'Cannot store an instance of SharedArrayBuffer at $');
  refusal(t, { p: new Point() }, 'Cannot store an instance of Point at $.p');
  refusal(t, new Map([[1, new Map([[new Point(), 1]])]]), 'Cannot store an instance of Point at $[0][1][0][0]');
  refusal(t, new Set([Promise.resolve()]), 'Cannot store an instance of Promise at $[0]');
  for (const value of [
    new WeakMap(),
    new Error('secret'),
    new Dates(),
    new (class List extends Array {})(),
    Object(1),
    Object('a'),
  ]) {
    refusal(t, { value }, /^Cannot store an instance of \w+ at \$\.value$/);
  }
});

test('cycles are refused, shared references are not', (t) => {
  const cycle = { list: [] };
  cycle.list.push(cycle);
  refusal(t, cycle, 'Cannot store a circular reference at $.list[0]');
  const map = new Map();
  map.set('self', map);
  refusal(t, map, 'Cannot store a circular reference at $[0][1]');
  const shared = { at: new Date(0) };
  t.deepEqual(decode(encode([shared, shared])), [shared, shared]);
});

test('shared references that multiply are too large, at once', (t) => {
  let value = 'x';
  for (let level = 0; level < 60; level++) value = [value, value];
  const error = t.throws(() => encode(value, 1_000_000));
  t.is(error.code, 'VALUE_TOO_LARGE');
});

test('the limit counts UTF-8 bytes', (t) => {
  t.is(encode('é', 4), '"é"');
  for (const [value, limit] of [
    ['é', 3],
    [Buffer.alloc(9), 8],
    [[1n], 8],
    ['abcdef', 7],
  ]) {
    const error = t.throws(() => encode(value, limit));
    t.is(error.code, 'VALUE_TOO_LARGE');
  }
  refusal(t, 'x'.repeat(64 * 1024 * 1024), /^The encoded value is .* the limit of 67108864 bytes$/, 'VALUE_TOO_LARGE');
});

test('nesting as deep as the stack allows is refused, less comes back', (t) => {
  const nest = (levels, inner) => {
    let value = inner;
    for (let level = 0; level < levels; level++) value = [value];
    return value;
  };
  for (const inner of [1, 1n]) {
    refusal(t, nest(200_000, inner), /^Cannot store a value nested this deep at \$\[0\]/);
    t.is(decode(encode(nest(500, inner))).flat(Infinity)[0], inner);
  }
  const levels = 100_000;
  const deep = decode(`${'['.repeat(levels)}{"$number":"NaN"}${']'.repeat(levels)}`);
  let inner = deep;
  while (Array.isArray(inner)) inner = inner[0];
  t.is(inner, NaN);
});

test('code of the value that throws becomes the cause', (t) => {
  const cause = new Error('from the getter');
  const thrower = {
    get a() {
      throw cause;
    },
  };
  const proxy = new Proxy(
    {},
    {
      ownKeys() {
        throw cause;
      },
    },
  );
  for (const value of [
    thrower,
    { x: thrower, y: 1n },
    proxy,
    {
      toJSON() {
        throw cause;
      },
    },
  ]) {
    t.is(refusal(t, value, /^Cannot read the value at \$/).cause, cause);
  }
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  refusal(t, [revoked], /^Cannot read the value at \$/);
});

test('toJSON is asked, once it is there, by its key', (t) => {
  class Money {
    toJSON(key) {
      return { key, amount: 5n };
    }
  }
  t.deepEqual(decode(encode({ price: new Money() })), { price: { key: 'price', amount: 5n } });
  t.is(encode({ url: new URL('http://localhost/') }), '{"url":"http://localhost/"}');
  t.is(encode({ toJSON: () => 'plain object' }), '"plain object"');
  t.is(encode(Object.defineProperty({}, 'toJSON', { value: () => 'hidden' })), '"hidden"');
  t.is(encode({ toJSON: 1 }), '{"toJSON":1}');
  t.is(encode({ a: { toJSON: () => undefined } }), '{}');
  refusal(t, { toJSON: () => undefined }, 'Cannot store undefined at $');
});

test('values of another realm are values', (t) => {
  const foreign = vm.runInNewContext(
    '({ list: [1, { a: -0 }], at: new Date(0), map: new Map([[1, new Set([2])]]), re: /a/g, bytes: new Uint8Array([1]), none: Object.create(null) })',
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

test('a tag counts only in its exact shape', (t) => {
  const lookalikes = [
    '{"$date":"2026-01-02"}',
    '{"$date":0}',
    '{"$date":"never"}',
    '{"$date":"2026-01-02T03:04:05.678Z","a":1}',
    '{"$binary":"AQI"}',
    '{"$binary":"A Q I="}',
    '{"$binary":"AR=="}',
    '{"$binary":"-_-_"}',
    '{"$binary":"===="}',
    '{"$arrayBuffer":1}',
    '{"$typedArray":{"type":"Uint16Array","base64":"AQ=="}}',
    '{"$typedArray":{"type":"Object","base64":""}}',
    '{"$typedArray":{"type":"Uint8Array"}}',
    '{"$typedArray":null}',
    '{"$map":[[1]]}',
    '{"$map":[1]}',
    '{"$map":{}}',
    '{"$set":{}}',
    '{"$set":null}',
    '{"$regExp":{"source":"(","flags":""}}',
    '{"$regExp":{"source":"a","flags":"gg"}}',
    '{"$regExp":"a"}',
    '{"$bigint":"01"}',
    '{"$bigint":"-0"}',
    '{"$bigint":"0x1"}',
    '{"$bigint":""}',
    '{"$bigint":1}',
    '{"$number":"1"}',
    '{"$number":null}',
    '{"$escape":1}',
    '{"$escape":{"a":1}}',
    '{"$escape":{"$other":1}}',
    '{"$ref":"x"}',
    '["$date"]',
  ];
  for (const text of lookalikes) t.deepEqual(decode(text), JSON.parse(text), text);
});

test('a tag is one however its text is written', (t) => {
  t.deepEqual(decode('{ "a" : { "$date" : "1970-01-01T00:00:00.000Z" } }'), { a: new Date(0) });
  t.deepEqual(decode('{"\\u0024date":"1970-01-01T00:00:00.000Z"}'), new Date(0));
  t.deepEqual(decode('{"$\\u0064ate":"1970-01-01T00:00:00.000Z"}'), new Date(0));
});

const hostileText = fc.oneof(
  fc.string(),
  fc.json(),
  anyValue.map((value) => String(encode([value]))),
  fc.tuple(anyValue, fc.nat(), anyString).map(([value, at, noise]) => {
    const text = String(encode([value]));
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + noise + text.slice(cut + noise.length);
  }),
  fc
    .array(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '"__proto__"',
        '1',
        'null',
        '"a"',
        ...TAG_NAMES.map((tag) => `"${tag}"`),
      ),
      { maxLength: 24 },
    )
    .map((tokens) => tokens.join('')),
);

test('no text makes decode fail but as CORRUPTED, without showing the text', (t) => {
  fc.assert(
    fc.property(hostileText, (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      try {
        decode(text);
        assert.ok(valid);
      } catch (error) {
        assert.ok(!valid);
        assert.ok(isStorageError(error));
        assert.strictEqual(error.code, 'CORRUPTED');
        assert.match(error.message, /^The stored text is not valid JSON( \(at position \d+\))?$/);
        assert.strictEqual(error.cause, undefined);
      }
    }),
    { numRuns: 3000 },
  );
  t.deepEqual(Object.keys(Object.prototype), []);
});

test('__proto__ is a property like any other, and touches no prototype', (t) => {
  const text = '{"__proto__":{"polluted":true},"a":[{"__proto__":{"$date":"1970-01-01T00:00:00.000Z"}}]}';
  const value = decode(text);
  t.is(Object.getPrototypeOf(value), Object.prototype);
  t.is(Object.getPrototypeOf(value.a[0]), Object.prototype);
  t.deepEqual(Object.getOwnPropertyDescriptor(value.a[0], '__proto__').value, new Date(0));
  t.is(value.polluted, undefined);
  t.is({}.polluted, undefined);
  t.is(encode(value), text);
});

test.serial('what others add to Object.prototype is not stored', (t) => {
  Object.prototype.added = () => 1;
  try {
    t.is(encode({ a: 1 }), '{"a":1}');
    t.is(encode({ $date: 1 }), '{"$escape":{"$date":1}}');
  } finally {
    delete Object.prototype.added;
  }
});

test('a null prototype comes back plain', (t) => {
  const value = Object.assign(Object.create(null), { a: 1, b: new Date(0) });
  const decoded = decode(encode(value));
  t.is(Object.getPrototypeOf(decoded), Object.prototype);
  t.deepEqual(decoded, { a: 1, b: new Date(0) });
});

test('decode takes texts and Buffers only', (t) => {
  for (const wrong of [undefined, null, 1, {}, new Uint8Array(1)]) {
    const error = t.throws(() => decode(wrong), { instanceOf: TypeError });
    t.is(error.code, 'INVALID_ARGUMENT');
  }
});
