// The texts that values are stored as.
import { Buffer } from 'node:buffer';
import test from 'ava';
import { decode, encode } from '../helpers/entry.mjs';

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
});

class Money {
  toJSON(key) {
    return { key, amount: 5n };
  }
}

test('toJSON is asked for the value, by its key', (t) => {
  t.deepEqual(decode(encode({ price: new Money() })), { price: { key: 'price', amount: 5n } });
  t.is(encode({ url: new URL('http://localhost/') }), '{"url":"http://localhost/"}');
  t.is(encode({ toJSON: () => 'plain object' }), '"plain object"');
  t.is(encode(Object.defineProperty({}, 'toJSON', { value: () => 'hidden' })), '"hidden"');
});

test('a toJSON that is no function is a property', (t) => {
  t.is(encode({ toJSON: 1 }), '{"toJSON":1}');
});

test('a property whose toJSON gives undefined is left out', (t) => {
  t.is(encode({ a: { toJSON: () => undefined } }), '{}');
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
