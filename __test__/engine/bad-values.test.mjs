import test from 'ava';
import { MemoryStorage, StorageManager, decode, encode } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES, onEach } from '../helpers/engines.mjs';

const UNSUPPORTED = { code: 'UNSUPPORTED_VALUE', name: 'StorageError' };

class Point {
  x = 1;
}
class List extends Array {}
const cyclic = (value, close) => {
  close(value);
  return value;
};

/** Values that cannot be stored, the path that the message names, and its word for the value. */
const VALUES = [
  [undefined, '$', 'undefined'],
  [() => 1, '$', 'a function'],
  [Symbol('s'), '$', 'a symbol'],
  [{ a: [1, () => 2] }, '$.a[1]', 'a function'],
  [{ 'not a name': { x: Symbol('s') } }, '$["not a name"].x', 'a symbol'],
  [new Map([['k', new Set([() => 1])]]), '$', 'a function'],
  [{ a: { [Symbol('s')]: 1 } }, '$.a', 'symbol'],
  [new Date(NaN), '$', 'invalid Date'],
  [{ when: [new Date(NaN)] }, '$.when[0]', 'invalid Date'],
  [[1, , 3], '$[1]', 'hole'], // eslint-disable-line no-sparse-arrays
  [new Point(), '$', 'Point'],
  [{ p: new Point() }, '$.p', 'Point'],
  [List.from([1]), '$', 'List'],
  [new WeakMap(), '$', 'WeakMap'],
  [new DataView(new ArrayBuffer(1)), '$', 'DataView'],
  [new SharedArrayBuffer(1), '$', 'SharedArrayBuffer'],
  [Promise.resolve(1), '$', 'Promise'],
  [new Error('x'), '$', 'Error'],
  [cyclic({}, (value) => (value.self = value)), '$.self', 'circular'],
  [cyclic({ list: [] }, (value) => value.list.push([value])), '$.list[0][0]', 'circular'],
  [cyclic(new Map(), (value) => value.set('k', value)), '$', 'circular'],
  [cyclic(new Set(), (value) => value.add([value])), '$', 'circular'],
];

const WRITES = {
  set: (engine, value) => engine.set('bad', value),
  'set with a condition': (engine, value) => engine.set('bad', value, { ifAbsent: true }),
  setMany: (engine, value) =>
    engine.setMany([
      ['good', 1],
      ['bad', value],
    ]),
  batch: (engine, value) =>
    engine.batch([
      { type: 'set', key: 'good', value: 1 },
      { type: 'set', key: 'bad', value },
    ]),
  compareAndSet: (engine, value) => engine.compareAndSet('bad', null, value),
};

onEach('what cannot be stored is refused by every write with its path, and nothing is written', async (t, engine) => {
  for (const [name, write] of Object.entries(WRITES)) {
    for (const [value, path, what] of VALUES) {
      const error = await t.throwsAsync(write(engine, value), UNSUPPORTED, `${name}: ${what} at ${path}`);
      t.true(error.message.includes(what), error.message);
      t.true(error.message.includes(` at ${path}`), `${error.message} should name ${path}`);
    }
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('metadata that cannot be stored is refused, and nothing is written', async (t, engine) => {
  for (const [value, , what] of VALUES.slice(1))
    await t.throwsAsync(engine.set('bad', 1, { metadata: value }), UNSUPPORTED, `metadata: ${what}`);
  t.deepEqual(await engine.keys(), []);
});

onEach(
  'what cannot be stored is refused by the synchronous write',
  (t, engine) => {
    for (const [value] of VALUES) t.throws(() => engine.setSync('bad', value), UNSUPPORTED);
    t.false(engine.hasSync('bad'));
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

onEach('code of the value’s own that throws is the cause of the refusal', async (t, engine) => {
  const mine = new Error('mine');
  const values = [
    {
      get x() {
        throw mine;
      },
    },
    {
      toJSON() {
        throw mine;
      },
    },
    new Proxy(
      {},
      {
        ownKeys() {
          throw mine;
        },
      },
    ),
    [
      {
        get x() {
          throw mine;
        },
      },
    ],
  ];
  for (const value of values) {
    for (const write of Object.values(WRITES))
      t.is((await t.throwsAsync(write(engine, value), UNSUPPORTED)).cause, mine);
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('values nested without end are refused or stored, and never end the process', async (t, engine) => {
  for (const depth of [1_000, 100_000]) {
    let value = 1;
    for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
    let failed;
    await engine.set('deep', value).catch((error) => (failed = error));
    if (failed !== undefined) {
      t.true(depth > 1_000, 'a depth of 1,000 is no problem');
      t.true(['UNSUPPORTED_VALUE', 'VALUE_TOO_LARGE'].includes(failed.code), failed.stack);
    } else t.true(await engine.has('deep'));
  }
  await engine.set('after', 1);
  t.is(await engine.get('after'), 1);
});

/** Values whose stored form has 100 bytes, and values whose stored form has one more. */
const SIZED = [
  ['x'.repeat(98), 'x'.repeat(99)],
  ['\u00e9'.repeat(49), '\u00e9'.repeat(50)],
  [
    [...Array(48).fill(1), 12],
    [...Array(48).fill(1), 123],
  ],
  [{ a: 'x'.repeat(92) }, { a: 'x'.repeat(93) }],
  [Buffer.alloc(100), Buffer.alloc(101)],
  [{ a: { b: [10n ** 71n] } }, { a: { b: [10n ** 72n] } }],
];

for (const name of ENGINE_NAMES) {
  test(`${name}: maxValueBytes is the most a value may take, to the byte`, async (t) => {
    const config = await ENGINES[name].config(t);
    const storage = new StorageManager({
      defaultEngine: name,
      maxValueBytes: 100,
      ...(name === 'custom' ? { engines: { [name]: config } } : { [name]: config }),
    });
    const engine = storage.getEngine();
    await engine.clear();
    for (const [fits, tooLarge] of SIZED) {
      await engine.set('a', fits);
      t.deepEqual(await engine.get('a'), fits);
      for (const write of Object.values(WRITES))
        await t.throwsAsync(write(engine, tooLarge), { code: 'VALUE_TOO_LARGE' });
      t.deepEqual(await engine.get('a'), fits);
    }
    t.deepEqual(await engine.keys(), ['a']);
    await engine.clear();
    await storage.close();
  });
}

test('maxValueBytes bounds what every engine of a manager takes', async (t) => {
  const storage = new StorageManager({ defaultEngine: 'memory', maxValueBytes: 10 });
  await storage.getEngine().set('a', '12345678');
  await t.throwsAsync(storage.getEngine().set('a', '123456789'), { code: 'VALUE_TOO_LARGE' });
  await t.throwsAsync(storage.getEngine().set('a', Buffer.alloc(11)), { code: 'VALUE_TOO_LARGE' });
  await storage.close();
});

const LIMIT = 64 * 2 ** 20;

onEach('64 MiB of text are stored, one byte more is refused', async (t, engine) => {
  const largest = 'x'.repeat(LIMIT - 2); // the quotes count
  await engine.set('large', largest);
  t.true((await engine.get('large')) === largest);
  for (const value of [`${largest}x`, Buffer.alloc(LIMIT + 1), ['x'.repeat(LIMIT - 3)]]) {
    const error = await t.throwsAsync(engine.set('large', value), { code: 'VALUE_TOO_LARGE' });
    t.true(error.message.length < 300);
  }
  t.true((await engine.get('large')) === largest, 'the old value stays');
});

test('a value that multiplies by shared references is given up long before it is written out', async (t) => {
  let value = ['x'.repeat(100)];
  for (let level = 0; level < 60; level++) value = [value, value];
  await t.throwsAsync(new MemoryStorage().set('a', value), { code: 'VALUE_TOO_LARGE' });
  t.throws(() => encode(value), { code: 'VALUE_TOO_LARGE' });
});

test('text that is no value is CORRUPTED for decode', (t) => {
  for (const text of ['', '{', 'nul', '{"a":1', '[1,]', '"\u0001"', 'undefined'])
    t.throws(() => decode(text), { code: 'CORRUPTED' }, JSON.stringify(text));
});
