// A level database over each engine: where its records lie, and how it is opened and closed.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { HoldfastLevel } from 'holdfast/level';
import { onEach } from '../helpers/engines.mjs';
import { KeyValueStore, MemoryStorage } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

const COUNT_LOADED = new URL('programs/count-loaded.cjs', import.meta.url);

onEach('closing a level database leaves the engine open', async (t, engine) => {
  const db = new HoldfastLevel(engine);
  await db.put('a', 'b');
  await db.close();
  await t.throwsAsync(db.get('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  t.is(await engine.get('level/a'), 'b');
});

onEach('a level database that is opened again finds its data', async (t, engine) => {
  const db = new HoldfastLevel(engine);
  await db.put('a', 'b');
  await db.close();
  await db.open();
  t.is(await db.get('a'), 'b');
  t.is(await new HoldfastLevel(engine).get('a'), 'b');
});

onEach(
  'a level database over another engine on the same path finds the data',
  async (t, engine, { reopen }) => {
    const db = new HoldfastLevel(engine, { valueEncoding: 'json' });
    await db.put('a', { b: [1] });
    await db.sublevel('c').put('d', 'e');
    await db.close();
    await engine.disconnect();
    const later = reopen();
    const again = new HoldfastLevel(later, { valueEncoding: 'json' });
    t.deepEqual(await again.get('a'), { b: [1] });
    t.is(await again.sublevel('c').get('d'), 'e');
    await again.close();
    await later.disconnect();
  },
  ['file', 'sqlite', 'leveldb', 'redis'],
);

onEach(
  'level databases with different prefixes do not see each other, nor what else the engine holds',
  async (t, engine) => {
    const [one, two] = ['one', 'two'].map((prefix) => new HoldfastLevel(engine, { prefix }));
    await engine.set('on', 'outside');
    await engine.set('one', 'outside');
    await engine.set('one0', 'outside');
    await one.put('a', '1');
    await two.put('a', '2');
    t.deepEqual(await one.iterator().all(), [['a', '1']]);
    t.deepEqual(await two.iterator({ reverse: true }).all(), [['a', '2']]);
    await one.clear();
    await two.clear({ limit: 5 });
    t.deepEqual(await engine.keys(), ['on', 'one', 'one0']);
  },
);

onEach('text keys and values lie in the engine as they are', async (t, engine) => {
  const db = new HoldfastLevel(engine, { prefix: 'app/db' });
  await db.put('users!grün/1', 'Ada');
  await db.put('', Buffer.from([0, 255]), { valueEncoding: 'buffer' });
  await db.put('json', { a: 1 }, { valueEncoding: 'json' });
  t.deepEqual(await engine.keys(), ['app/db/', 'app/db/json', 'app/db/users!grün/1']);
  t.is(await engine.get('app/db/users!grün/1'), 'Ada');
  t.deepEqual(await engine.get('app/db/'), Buffer.from([0, 255]));
  t.is(await new KeyValueStore(engine, 'app/db').get('json'), '{"a":1}');
});

onEach('a value that others wrote reads as its JSON text', async (t, engine) => {
  const db = new HoldfastLevel(engine, { prefix: 'app/db' });
  await engine.set('app/db/other', { when: 5 });
  t.deepEqual(await db.get('other', { valueEncoding: 'json' }), { when: 5 });
  t.deepEqual(await db.values({ gte: 'other', limit: 1, valueEncoding: 'json' }).all(), [{ when: 5 }]);
});

onEach('calls not awaited take effect in order, and close() waits for them', async (t, engine) => {
  const db = new HoldfastLevel(engine);
  await db.open();
  const calls = [
    db.put('a', '1'),
    db.get('a'),
    db.clear(),
    db.has('a'),
    db.put('b', '2'),
    db.batch([
      { type: 'del', key: 'b' },
      { type: 'put', key: 'c', value: '3' },
    ]),
  ];
  await db.close();
  t.deepEqual(await engine.keys(), ['level/c']);
  t.deepEqual(await Promise.all(calls), [undefined, '1', undefined, false, undefined, undefined]);
});

test('a custom engine with eight methods holds a level database', async (t) => {
  const db = new HoldfastLevel(new BareEngine());
  await db.batch([
    { type: 'put', key: 'b', value: '2' },
    { type: 'put', key: 'a', value: '1' },
  ]);
  t.deepEqual(await db.iterator().all(), [
    ['a', '1'],
    ['b', '2'],
  ]);
});

test('a level database tells its engine and its location', (t) => {
  const own = new BareEngine();
  const db = new HoldfastLevel(own);
  t.is(db.engine.target, own);
  t.is(new HoldfastLevel(own).engine, db.engine);
  t.is(db.location, 'level/');
});

test('what is no engine is refused', (t) => {
  t.throws(() => new HoldfastLevel(), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new HoldfastLevel({}), { code: 'INVALID_ARGUMENT' });
});

test('what is no prefix is refused', (t) => {
  const engine = new MemoryStorage();
  t.throws(() => new HoldfastLevel(engine, { prefix: 5 }), { code: 'INVALID_ARGUMENT' });
  for (const prefix of ['', '\ud800', 'docs', 'objects/x'])
    t.throws(() => new HoldfastLevel(engine, { prefix }), { code: 'INVALID_KEY' });
});

test('import and require give the same class, over engines of the same classes', async (t) => {
  const required = createRequire(import.meta.url)('holdfast/level');
  t.is(required.HoldfastLevel, HoldfastLevel);
  const { MemoryStorage: Required } = createRequire(import.meta.url)('holdfast');
  t.is(Required, MemoryStorage);
  const db = new required.HoldfastLevel(new Required());
  await db.put('a', 'b');
  t.is(await db.get('a'), 'b');
});

test('the root entry does not load abstract-level', (t) => {
  const { stdout } = spawnSync(process.execPath, [fileURLToPath(COUNT_LOADED)], { encoding: 'utf8' });
  t.is(stdout.trim(), '0');
});
