import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import fc from 'fast-check';
import { HoldfastLevel } from 'holdfast/level';
import { onEach } from '../helpers/engines.mjs';
import { ERROR_CODES, KeyValueStore, MemoryStorage, StorageError, StorageManager } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

const COUNT_LOADED = new URL('programs/count-loaded.cjs', import.meta.url);

const bytes = { keyEncoding: 'buffer' };
const hex = (keys) => keys.map((key) => key.toString('hex'));

onEach('closing a level database leaves the engine open, and opening it again finds the data', async (t, engine) => {
  const db = new HoldfastLevel(engine);
  await db.put('a', 'b');
  await db.close();
  await t.throwsAsync(db.get('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  t.is(await engine.get('level/a'), 'b');
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
  // What others wrote there reads as its JSON text.
  await engine.set('app/db/other', { when: 5 });
  t.deepEqual(await db.get('other', { valueEncoding: 'json' }), { when: 5 });
  t.deepEqual(await db.values({ gte: 'other', limit: 1, valueEncoding: 'json' }).all(), [{ when: 5 }]);
});

onEach('keys of any bytes come back, in the order of their bytes, within ranges and from seeks', async (t, engine) => {
  // Every edge of UTF-8: what comes before, between and behind the code points it can write, and the last code point.
  const edges = [
    '',
    '00',
    '61',
    '6180',
    '7f',
    '7fff',
    '80',
    'c0',
    'c1bf',
    'c2',
    'c27f',
    'c280',
    'c2bf',
    'c2c0',
    'c3',
    'c3a9',
    'dfbf',
    'dfc0',
    'e0',
    'e080',
    'e09fbf',
    'e0a080',
    'e0a0',
    'ed9fbf',
    'eda080',
    'edbfbf',
    'ee',
    'ee8080',
    'efbfbd',
    'efbfbf',
    'efc0',
    'f0',
    'f08080',
    'f08fbfbf',
    'f0908080',
    'f09f9084',
    'f09f90',
    'f48fbfbf',
    'f48fbfbf00',
    'f48fbfbf2d',
    'f48fbfbf3030',
    'f48fbfbfff',
    'f48fbfbff48fbfbf',
    'f490',
    'f4908080',
    'f5',
    'ff',
    'ff00',
    'ffff',
  ];
  const one = fc.oneof(
    fc.constantFrom(...edges),
    fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array).toString('hex')),
  );
  const key = fc.array(one, { maxLength: 3 }).map((parts) => parts.join(''));
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 40 }), key, key, async (keys, low, high) => {
      const db = new HoldfastLevel(engine, { ...bytes, prefix: `bytes-${round++}` });
      const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')));
      await db.batch(keys.map((name) => ({ type: 'put', key: Buffer.from(name, 'hex'), value: name })));
      t.deepEqual(hex(await db.keys().all()), sorted);
      t.deepEqual(await db.values({ reverse: true }).all(), sorted.toReversed());
      t.deepEqual(await db.getMany(keys.map((name) => Buffer.from(name, 'hex'))), keys);
      const [gte, lt] = [low, high].map((name) => Buffer.from(name, 'hex'));
      const inside = sorted.filter(
        (name) =>
          Buffer.compare(Buffer.from(name, 'hex'), gte) >= 0 && Buffer.compare(Buffer.from(name, 'hex'), lt) < 0,
      );
      t.deepEqual(hex(await db.keys({ gte, lt }).all()), inside);
      const iterator = db.keys();
      iterator.seek(gte);
      t.is(
        (await iterator.next())?.toString('hex'),
        sorted.find((name) => Buffer.compare(Buffer.from(name, 'hex'), gte) >= 0),
      );
      await db.close();
    }),
    { numRuns: 40 },
  );
});

onEach('long iterations cross pages, forwards, backwards and after a seek', async (t, engine) => {
  const db = new HoldfastLevel(engine);
  const keys = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'));
  await db.batch(keys.map((key) => ({ type: 'put', key, value: key.repeat(20) })));
  t.deepEqual(await db.keys().all(), keys);
  t.deepEqual(
    (await db.iterator({ reverse: true, limit: 2400 }).all()).map(([key]) => key),
    keys.toReversed().slice(0, 2400),
  );
  const one = [];
  for await (const value of db.values()) one.push(value.slice(0, 5));
  t.deepEqual(one, keys);
  const iterator = db.keys({ lt: '02000' });
  t.deepEqual(await iterator.nextv(700), keys.slice(0, 700));
  t.is(await iterator.next(), '00700');
  t.deepEqual(await iterator.nextv(1200), keys.slice(701, 1901));
  iterator.seek('01500');
  t.deepEqual(await iterator.nextv(5000), keys.slice(1500, 2000));
  t.deepEqual(await iterator.nextv(5), []);
  await iterator.close();
  await db.clear({ gte: '00010', limit: 2300 });
  t.deepEqual(await db.keys().all(), [...keys.slice(0, 10), ...keys.slice(2310)]);
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

onEach(
  'a snapshot and an iterator see the moment they were made, writes before it included and later ones not',
  async (t, engine) => {
    const db = new HoldfastLevel(engine);
    await db.open();
    t.true(db.supports.implicitSnapshots && db.supports.explicitSnapshots);
    void db.put('a', 'before');
    const snapshot = db.snapshot();
    const iterator = db.iterator();
    void db.put('a', 'after');
    void db.put('b', 'after');
    t.deepEqual(await iterator.all(), [['a', 'before']]);
    t.is(await db.get('a', { snapshot }), 'before');
    t.deepEqual(await db.hasMany(['a', 'b'], { snapshot }), [true, false]);
    await db.clear({ snapshot });
    t.deepEqual(await db.keys().all(), ['b']);
    await snapshot.close();
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

onEach(
  'without snapshots in the engine the manifest says so, and snapshot() is not supported',
  async (t, engine) => {
    const db = new HoldfastLevel(engine);
    await db.open();
    t.false(db.supports.implicitSnapshots);
    t.false(db.supports.explicitSnapshots);
    t.throws(() => db.snapshot(), { code: 'LEVEL_NOT_SUPPORTED' });
  },
  ['redis', 'javascript'],
);

test('errors have the codes of abstract-level, and the engine’s error as their cause', async (t) => {
  const storage = new StorageManager({ memory: { maxBytes: 2000 } });
  const db = new HoldfastLevel(storage.getEngine('memory'));
  const long = await t.throwsAsync(db.put('k'.repeat(5000), 'v'), { code: 'LEVEL_INVALID_KEY' });
  t.is(long.cause.code, 'INVALID_KEY');
  const full = await t.throwsAsync(db.put('k', 'v'.repeat(5000)), { code: 'LEVEL_IO_ERROR' });
  t.is(full.cause.code, 'NO_SPACE');
  await db.put('a', 'b');
  const iterator = db.iterator();
  t.deepEqual(await iterator.next(), ['a', 'b']);
  await storage.close();
  await t.throwsAsync(db.get('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  await t.throwsAsync(db.batch([{ type: 'del', key: 'a' }]), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  await t.throwsAsync(db.iterator().next(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  await db.close();
  const closed = await t.throwsAsync(db.open(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  t.is(closed.cause.cause.code, 'CLOSED');
});

test('an aborted signal ends the read that is under way', async (t) => {
  const db = new HoldfastLevel(new MemoryStorage());
  await db.put('a', 'b');
  const controller = new AbortController();
  const iterator = db.iterator({ signal: controller.signal });
  const read = iterator.all();
  controller.abort(new Error('enough'));
  const error = await t.throwsAsync(read, { code: 'LEVEL_ABORTED', name: 'AbortError' });
  t.is(error.cause.cause.message, 'enough');
  await db.close();
});

test('closing frees the views of iterators and snapshots that were left open', async (t) => {
  const engine = new MemoryStorage();
  const db = new HoldfastLevel(engine);
  await db.open();
  const snapshot = db.snapshot();
  const iterators = [db.iterator(), db.keys({ snapshot }), db.values()];
  await iterators[0].next();
  await db.close();
  for (const iterator of iterators) await t.throwsAsync(iterator.next(), { code: 'LEVEL_ITERATOR_NOT_OPEN' });
  await db.open();
  await t.throwsAsync(db.get('a', { snapshot }), { code: 'LEVEL_SNAPSHOT_NOT_OPEN' });
  await t.throwsAsync(db.get('a', { snapshot: { ref() {}, unref() {} } }), { code: 'LEVEL_NOT_SUPPORTED' });
});

onEach(
  'iterators and snapshots that are closed, or whose database is, hold nothing',
  async (t, engine) => {
    // More than sqlite lets stand at one time, however many are closed in the end.
    for (let round = 0; round < 100; round++) {
      const db = new HoldfastLevel(engine);
      await db.put('a', 'b');
      const iterators = [db.iterator(), db.keys(), db.values()];
      db.snapshot();
      await Promise.all(iterators.map((iterator) => iterator.next()));
      await iterators[0].close();
      await db.close();
    }
    const snapshot = await engine.snapshot();
    t.deepEqual(await snapshot.keys(), ['level/a']);
    await snapshot.close();
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

test('each error an engine may reject with has the code that docs/level.md names', async (t) => {
  const documented = readFileSync(new URL('../../docs/level.md', import.meta.url), 'utf8')
    .split('## Errors')[1]
    .split('## ')[0];
  const rows = [...documented.matchAll(/^\| (`[A-Z].*?) \| `(LEVEL_\w+)`/gm)];
  const codes = new Map(
    rows.flatMap(([, engine, level]) => [...engine.matchAll(/`(\w+)`/g)].map(([, code]) => [code, level])),
  );
  t.is(codes.size, 15);
  const own = new BareEngine();
  const db = new HoldfastLevel(own);
  for (const code of ERROR_CODES) {
    own.get = () => Promise.reject(new StorageError(code, 'what it said'));
    const error = await t.throwsAsync(db.get('a'), { message: 'what it said' });
    t.is(error.code, codes.get(code) ?? code);
    t.is((codes.has(code) ? error.cause : error).code, code);
  }
});

test('an engine of the user’s own, with eight methods, holds a level database', async (t) => {
  const own = new BareEngine();
  const db = new HoldfastLevel(own);
  await db.batch([
    { type: 'put', key: 'b', value: '2' },
    { type: 'put', key: 'a', value: '1' },
  ]);
  t.deepEqual(await db.iterator().all(), [
    ['a', '1'],
    ['b', '2'],
  ]);
  t.is(db.engine.target, own);
  t.is(new HoldfastLevel(own).engine, db.engine);
  t.is(db.location, 'level/');
});

test('bad engines and prefixes are refused', (t) => {
  t.throws(() => new HoldfastLevel(), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new HoldfastLevel({}), { code: 'INVALID_ARGUMENT' });
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
