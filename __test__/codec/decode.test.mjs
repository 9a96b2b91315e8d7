// Texts that decode reads, whoever wrote them.
import assert from 'node:assert';
import test from 'ava';
import fc from 'fast-check';
import { decode, encode, isStorageError } from '../helpers/entry.mjs';
import { anyString, anyValue, TAG_NAMES } from '../helpers/values.mjs';

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

test('a tag is found however deep it is nested', (t) => {
  const levels = 100_000;
  const deep = decode(`${'['.repeat(levels)}{"$number":"NaN"}${']'.repeat(levels)}`);
  let inner = deep;
  while (Array.isArray(inner)) inner = inner[0];
  t.is(inner, NaN);
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

test('decode takes texts and Buffers only', (t) => {
  for (const wrong of [undefined, null, 1, {}, new Uint8Array(1)]) {
    const error = t.throws(() => decode(wrong), { instanceOf: TypeError });
    t.is(error.code, 'INVALID_ARGUMENT');
  }
});
