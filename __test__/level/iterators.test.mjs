// Iterators and snapshots of a level database.
import test from 'ava';
import { HoldfastLevel } from 'holdfast/level';
import { onEach } from '../helpers/engines.mjs';
import { MemoryStorage } from '../helpers/entry.mjs';

const KEYS = Array.from({ length: 2500 }, (_, index) => String(index).padStart(5, '0'));

/** A database with so many records that iterations cross pages. */
async function filled(engine) {
  const db = new HoldfastLevel(engine);
  await db.batch(KEYS.map((key) => ({ type: 'put', key, value: key.repeat(20) })));
  return db;
}

onEach('long iterations cross pages', async (t, engine) => {
  const db = await filled(engine);
  t.deepEqual(await db.keys().all(), KEYS);
  const one = [];
  for await (const value of db.values()) one.push(value.slice(0, 5));
  t.deepEqual(one, KEYS);
});

onEach('long iterations cross pages backwards', async (t, engine) => {
  const db = await filled(engine);
  t.deepEqual(
    (await db.iterator({ reverse: true, limit: 2400 }).all()).map(([key]) => key),
    KEYS.toReversed().slice(0, 2400),
  );
});

onEach('nextv and seek cross pages', async (t, engine) => {
  const db = await filled(engine);
  const iterator = db.keys({ lt: '02000' });
  t.deepEqual(await iterator.nextv(700), KEYS.slice(0, 700));
  t.is(await iterator.next(), '00700');
  t.deepEqual(await iterator.nextv(1200), KEYS.slice(701, 1901));
  iterator.seek('01500');
  t.deepEqual(await iterator.nextv(5000), KEYS.slice(1500, 2000));
  t.deepEqual(await iterator.nextv(5), []);
  await iterator.close();
});

onEach('a clear within bounds and a limit crosses pages', async (t, engine) => {
  const db = await filled(engine);
  await db.clear({ gte: '00010', limit: 2300 });
  t.deepEqual(await db.keys().all(), [...KEYS.slice(0, 10), ...KEYS.slice(2310)]);
});

const WITH_SNAPSHOTS = ['memory', 'file', 'sqlite', 'leveldb'];

/** A snapshot and an iterator made behind a write of a, before another and one of b. None is awaited. */
async function between(engine) {
  const db = new HoldfastLevel(engine);
  await db.open();
  void db.put('a', 'before');
  const snapshot = db.snapshot();
  const iterator = db.iterator();
  void db.put('a', 'after');
  void db.put('b', 'after');
  return { db, snapshot, iterator };
}

onEach(
  'an iterator sees the moment it was made, writes before it included and later ones not',
  async (t, engine) => {
    const { db, iterator } = await between(engine);
    t.true(db.supports.implicitSnapshots && db.supports.explicitSnapshots);
    t.deepEqual(await iterator.all(), [['a', 'before']]);
    await db.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'a snapshot sees the moment it was made, writes before it included and later ones not',
  async (t, engine) => {
    const { db, snapshot } = await between(engine);
    t.is(await db.get('a', { snapshot }), 'before');
    t.deepEqual(await db.hasMany(['a', 'b'], { snapshot }), [true, false]);
    await snapshot.close();
    await db.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'a clear of a snapshot removes the keys that the snapshot has',
  async (t, engine) => {
    const { db, snapshot } = await between(engine);
    await db.clear({ snapshot });
    t.deepEqual(await db.keys().all(), ['b']);
    await snapshot.close();
    await db.close();
  },
  WITH_SNAPSHOTS,
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
  ['redis', 'custom'],
);

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

test('closing a database closes iterators that were left open', async (t) => {
  const db = new HoldfastLevel(new MemoryStorage());
  await db.open();
  const iterators = [db.iterator(), db.keys({ snapshot: db.snapshot() }), db.values()];
  await iterators[0].next();
  await db.close();
  for (const iterator of iterators) await t.throwsAsync(iterator.next(), { code: 'LEVEL_ITERATOR_NOT_OPEN' });
});

test('closing a database closes snapshots that were left open', async (t) => {
  const db = new HoldfastLevel(new MemoryStorage());
  await db.open();
  const snapshot = db.snapshot();
  await db.close();
  await db.open();
  await t.throwsAsync(db.get('a', { snapshot }), { code: 'LEVEL_SNAPSHOT_NOT_OPEN' });
});

test('a snapshot of another kind of database is refused', async (t) => {
  const db = new HoldfastLevel(new MemoryStorage());
  await db.open();
  await t.throwsAsync(db.get('a', { snapshot: { ref() {}, unref() {} } }), { code: 'LEVEL_NOT_SUPPORTED' });
});

onEach(
  'iterators and snapshots that are closed, or whose database is, hold nothing',
  async (t, engine) => {
    // More snapshots and iterators in all than sqlite lets stand at one time.
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
