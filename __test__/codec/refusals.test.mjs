// Values that encode refuses.
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import test from 'ava';
import { encode, isStorageError } from '../helpers/entry.mjs';

function refusal(t, value, message, code = 'UNSUPPORTED_VALUE') {
  const error = t.throws(() => encode(value));
  t.true(isStorageError(error), inspect(error));
  t.is(error.code, code);
  if (message instanceof RegExp) t.regex(error.message, message);
  else t.is(error.message, message);
  return error;
}

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
  refusal(t, new Set([Promise.resolve()]), 'Cannot store a Promise at $[0] (is an await missing?)');
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

test('undefined in a Map or a Set is refused', (t) => {
  refusal(t, new Map([['a', 1]]).set('b', undefined), 'Cannot store undefined at $[1][1]');
  refusal(t, new Map([[undefined, 1]]), 'Cannot store undefined at $[0][0]');
  refusal(t, { tags: new Set([1, undefined]) }, 'Cannot store undefined at $.tags[1]');
  refusal(t, [new Map([['a', { toJSON: () => undefined }]])], 'Cannot store undefined at $[0][0][1]');
  t.is(encode(new Map([['a', [undefined]]])), '{"$map":[["a",[null]]]}', 'deeper, the rules of arrays hold');
});

test('an object that contains itself is refused', (t) => {
  const cycle = { list: [] };
  cycle.list.push(cycle);
  refusal(t, cycle, 'Cannot store a circular reference at $.list[0]');
  const map = new Map();
  map.set('self', map);
  refusal(t, map, 'Cannot store a circular reference at $[0][1]');
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
});

test('the limit is 64 MiB unless another is given', (t) => {
  refusal(t, 'x'.repeat(64 * 1024 * 1024), /^The encoded value is .* the limit of 67108864 bytes$/, 'VALUE_TOO_LARGE');
});

test('nesting as deep as the stack allows is refused', (t) => {
  for (const inner of [1, 1n]) {
    let value = inner;
    for (let level = 0; level < 200_000; level++) value = [value];
    refusal(t, value, /^Cannot store a value nested this deep at \$\[0\]/);
  }
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
});

test('a revoked proxy cannot be read', (t) => {
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  refusal(t, [revoked], /^Cannot read the value at \$/);
});

test('a value whose toJSON gives undefined is refused', (t) => {
  refusal(t, { toJSON: () => undefined }, 'Cannot store undefined at $');
});
