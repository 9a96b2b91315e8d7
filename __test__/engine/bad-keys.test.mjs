import test from 'ava';
import { MemoryStorage } from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

const INVALID = { code: 'INVALID_KEY', name: 'StorageError' };
const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', instanceOf: TypeError };
const NO_KEYS = [
  '',
  'k'.repeat(4097),
  'k'.repeat(100_000),
  '\u00e9'.repeat(2049),
  '\u{1f600}'.repeat(1025),
  '\ud800',
  'a\udc00b',
  `${'k'.repeat(4094)}\ud800`,
];
const WRONG_TYPES = [undefined, null, 5, 1n, true, {}, [], Symbol('a'), () => 'a', new String('a'), Buffer.from('a')];

/** Every call that takes a key, with the key in each place where one goes. */
const CALLS = {
  get: (engine, key) => engine.get(key),
  set: (engine, key) => engine.set(key, 1),
  'set with options': (engine, key) => engine.set(key, 1, { ifAbsent: true }),
  delete: (engine, key) => engine.delete(key),
  has: (engine, key) => engine.has(key),
  getEntry: (engine, key) => engine.getEntry(key),
  increment: (engine, key) => engine.increment(key),
  compareAndSet: (engine, key) => engine.compareAndSet(key, null, 1),
  getMany: (engine, key) => engine.getMany(['a', key]),
  setMany: (engine, key) =>
    engine.setMany([
      ['a', 1],
      [key, 1],
    ]),
  deleteMany: (engine, key) => engine.deleteMany(['a', key]),
  'batch set': (engine, key) =>
    engine.batch([
      { type: 'set', key: 'a', value: 1 },
      { type: 'set', key, value: 1 },
    ]),
  'batch delete': (engine, key) =>
    engine.batch([
      { type: 'set', key: 'a', value: 1 },
      { type: 'delete', key },
    ]),
  'batch check': (engine, key) =>
    engine.batch([
      { type: 'set', key: 'a', value: 1 },
      { type: 'check', key, version: null },
    ]),
};

onEach('what is no key is refused by every call, and no part of it is carried out', async (t, engine) => {
  for (const [name, call] of Object.entries(CALLS)) {
    for (const key of NO_KEYS) {
      const error = await t.throwsAsync(call(engine, key), INVALID, `${name}: ${key.slice(0, 10)}`);
      t.is(error.engine, engine.name);
      t.true(error.message.length < 200, 'a huge key is not repeated');
    }
    for (const key of WRONG_TYPES) await t.throwsAsync(call(engine, key), TYPE_ERROR, `${name}: ${String(key)}`);
  }
  t.deepEqual(await engine.keys(), []);
});

onEach(
  'the same is refused by a snapshot',
  async (t, engine) => {
    const snapshot = await engine.snapshot();
    for (const [keys, expected] of [
      [NO_KEYS, INVALID],
      [WRONG_TYPES, TYPE_ERROR],
    ]) {
      for (const key of keys) {
        await t.throwsAsync(snapshot.get(key), expected);
        await t.throwsAsync(snapshot.has(key), expected);
        await t.throwsAsync(snapshot.getMany([key]), expected);
      }
    }
    await snapshot.close();
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

onEach(
  'the same is refused, by a throw, by the synchronous calls',
  (t, engine) => {
    for (const [keys, expected] of [
      [NO_KEYS, INVALID],
      [WRONG_TYPES, TYPE_ERROR],
    ]) {
      for (const key of keys) {
        for (const call of [
          () => engine.getSync(key),
          () => engine.hasSync(key),
          () => engine.setSync(key, 1),
          () => engine.deleteSync(key),
        ])
          t.throws(call, expected);
      }
    }
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

onEach('ranges whose bounds no key can have give what lies between them', async (t, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const long = 'b'.repeat(10_000);
  t.deepEqual(await engine.keys({ gt: long }), ['c']);
  t.deepEqual(await engine.keys({ lt: long, gte: '' }), ['a', 'b']);
  t.deepEqual(await engine.keys({ prefix: long }), []);
  t.deepEqual(await engine.keys({ gt: 'c', lt: 'a' }), []);
  t.deepEqual(await collect(engine.keysIterator({ limit: 0 })), []);
});

onEach('bounds with a lone surrogate are refused', async (t, engine) => {
  for (const bound of ['prefix', 'gt', 'gte', 'lt', 'lte', 'pattern'])
    await t.throwsAsync(engine.keys({ [bound]: 'a\ud800' }), INVALID);
});

test('the longest key works, in bytes whatever its characters', async (t) => {
  const engine = new MemoryStorage();
  for (const key of ['k'.repeat(4096), '\u00e9'.repeat(2048), '\u{1f600}'.repeat(1024)]) {
    await engine.set(key, 1);
    t.true(await engine.has(key));
  }
});
