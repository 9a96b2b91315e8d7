// A KeyValueStore over each engine.
import { inspect } from 'node:util';
import test from 'ava';
import { KeyValueStore, MemoryStorage } from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

/** A store with three records, beside records that are not its own but have keys like its prefix. */
async function filled(engine) {
  const one = new KeyValueStore(engine, 'one');
  const other = new KeyValueStore(engine, 'on');
  await one.set('a', 1);
  await one.mset([
    ['b', { n: 2 }],
    ['c/d', 3],
  ]);
  await other.set('a', 'other');
  await engine.set('one', 'outside');
  return one;
}

onEach('a store reads its own keys only', async (t, engine) => {
  const one = await filled(engine);
  t.is(await one.get('a'), 1);
  t.true(await one.has('b'));
  t.is(await one.get('absent'), null);
  t.deepEqual(await one.mget(['c/d', 'x', 'a']), [3, null, 1]);
});

onEach('a store lists and counts its own keys only', async (t, engine) => {
  const one = await filled(engine);
  t.deepEqual(await one.keys(), ['a', 'b', 'c/d']);
  t.deepEqual(await one.keys('?'), ['a', 'b']);
  t.deepEqual(await one.keys({ gt: 'a', reverse: true }), ['c/d', 'b']);
  t.is(await one.count(), 3);
});

onEach('a store iterates over its own records only', async (t, engine) => {
  const one = await filled(engine);
  t.deepEqual(await collect(one.entries({ prefix: 'c' })), [['c/d', 3]]);
  t.deepEqual(await collect(one.values({ limit: 1 })), [1]);
  t.deepEqual(await collect(one.keysIterator()), ['a', 'b', 'c/d']);
});

onEach('a store deletes and clears its own keys only', async (t, engine) => {
  const one = await filled(engine);
  t.true(await one.delete('a'));
  await one.clear();
  t.deepEqual(await one.keys(), []);
  t.deepEqual(await engine.keys(), ['on/a', 'one']);
});

onEach('a nested prefix lies inside as a folder does', async (t, engine) => {
  const outer = new KeyValueStore(engine, 'p');
  const inner = new KeyValueStore(engine, 'p/q');
  await inner.set('x', 1);
  t.is(await outer.get('q/x'), 1);
  t.deepEqual(await outer.keys(), ['q/x']);
  await outer.clear();
  t.false(await inner.has('x'));
});

onEach('a prefix is a text, not a pattern', async (t, engine) => {
  const prefixes = ['p*', 'p?', '[p]', 'p\\', '\\p', 'px', '%', '_'];
  for (const prefix of prefixes) await new KeyValueStore(engine, prefix).set('k', prefix);
  for (const prefix of prefixes) {
    const store = new KeyValueStore(engine, prefix);
    t.deepEqual(await store.keys('*'), ['k'], prefix);
    t.deepEqual(await store.keys('[k]'), ['k'], prefix);
    await store.clear();
    t.is(await engine.count(), prefixes.length - 1 - prefixes.indexOf(prefix), prefix);
  }
});

onEach('a store without a prefix has the whole engine', async (t, engine) => {
  const store = new KeyValueStore(engine);
  await store.mset([
    ['a', 1],
    ['dog', 2],
    ['z/y', 3],
  ]);
  t.deepEqual(await store.keys(), ['a', 'dog', 'z/y']);
  t.deepEqual(await store.keys('docs*'), []);
  await store.clear();
  t.is(await engine.count(), 0);
});

onEach('expiry and metadata work under a prefix', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p');
  await store.set('a', 1, { ttl: 60_000, metadata: { by: 'me' } });
  const entry = await store.getEntry('a');
  t.like(entry, { value: 1, metadata: { by: 'me' } });
  t.true(entry.expiresAt > Date.now());
});

onEach('versions work under a prefix', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p');
  await store.set('a', 1);
  const entry = await store.getEntry('a');
  t.like(await store.compareAndSet('a', entry.version, 2), { ok: true });
  t.like(await store.compareAndSet('a', entry.version, 3), { ok: false });
});

onEach('counters work under a prefix', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p');
  t.is(await store.increment('n'), 1);
  t.is(await store.increment('n', 4), 5);
});

onEach('mset with ifAbsent writes nothing where one of its keys is there', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p');
  await store.set('n', 5);
  await t.throwsAsync(
    store.mset(
      [
        ['n', 1],
        ['m', 1],
      ],
      { ifAbsent: true },
    ),
    { code: 'CONFLICT' },
  );
  t.false(await store.has('m'));
});

const FITS = 'k'.repeat(4000);
const WRONG_TYPES = [undefined, null, 5, 1n, true, {}, [], Symbol('a'), () => 'a', new String('a'), Buffer.from('a')];

onEach('a key may be as long as its prefix leaves room for', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p'.repeat(95));
  await store.set(FITS, 1);
  t.is(await store.get(FITS), 1);
  t.deepEqual(await store.keys(), [FITS]);
});

onEach('every call refuses what is no key behind its prefix', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p'.repeat(95));
  for (const key of [`${FITS}k`, '', '\ud800']) {
    for (const call of [
      () => store.get(key),
      () => store.set(key, 1),
      () => store.delete(key),
      () => store.has(key),
      () => store.getEntry(key),
      () => store.increment(key),
      () => store.mget(['a', key]),
      () =>
        store.mset([
          ['a', 1],
          [key, 1],
        ]),
      () => store.compareAndSet(key, null, 1),
    ]) {
      await t.throwsAsync(call(), { code: 'INVALID_KEY', name: 'StorageError' }, String(call));
    }
  }
  t.deepEqual(await store.keys(), []);
});

onEach('every call refuses a key of a wrong type', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p'.repeat(95));
  for (const key of WRONG_TYPES) {
    for (const call of [
      () => store.get(key),
      () => store.set(key, 1),
      () => store.mget([key]),
      () => store.mset([[key, 1]]),
    ])
      await t.throwsAsync(call(), { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', instanceOf: TypeError });
  }
  t.deepEqual(await store.keys(), []);
});

test('what is no key is refused', async (t) => {
  const store = new KeyValueStore(new MemoryStorage(), 'p');
  for (const call of [
    () => store.get(''),
    () => store.set('', 1),
    () => store.delete(''),
    () => store.mget(['']),
    () => store.mset([['', 1]]),
  ]) {
    await t.throwsAsync(call(), { code: 'INVALID_KEY' });
  }
  await t.throwsAsync(store.set('k'.repeat(4095), 1), { code: 'INVALID_KEY' }, 'the prefix counts');
});

test('arguments of a wrong type are refused', async (t) => {
  const store = new KeyValueStore(new MemoryStorage(), 'p');
  for (const call of [
    () => store.get(1),
    () => store.set(undefined, 1),
    () => store.mget('ab'),
    () => store.mset({ a: 1 }),
    () => store.mset(['ab']),
    () => store.keys(1),
  ]) {
    await t.throwsAsync(call(), { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' });
  }
});

test('what is no prefix is refused', (t) => {
  t.throws(() => new KeyValueStore(new MemoryStorage(), 5), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new KeyValueStore(new MemoryStorage(), '\ud800'), { code: 'INVALID_KEY' });
});

test('what is no engine is refused', (t) => {
  t.throws(() => new KeyValueStore({}), { code: 'INVALID_ARGUMENT', message: /connect, disconnect, get/ });
});

test('the folders of the models are not a key-value store’s to change', async (t) => {
  const engine = new MemoryStorage();
  for (const prefix of ['docs', 'objects/x', 'graphs']) {
    const store = new KeyValueStore(engine, prefix);
    await t.throwsAsync(store.set('a', 1), { code: 'INVALID_KEY' });
    await t.throwsAsync(store.clear(), { code: 'INVALID_KEY' });
    t.deepEqual(await store.keys(), []);
  }
});

test('an inspected store shows its prefix', (t) => {
  const settings = new KeyValueStore(new MemoryStorage(), 'settings');
  t.is(inspect(settings), "KeyValueStore { prefix: 'settings' }");
  t.is(settings.prefix, 'settings');
});
