// Transactions on custom engines: the same as on the built-in ones, with an undo where batches are not atomic.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { KeyValueStore } from '../helpers/entry.mjs';
import { OURS, customManagerOf as managerOf, held, onBoth } from '../helpers/custom-engines.mjs';
import { collect } from '../helpers/engines.mjs';
import { BareEngine, FullEngine } from '../helpers/map-engine.mjs';
import { codeOf } from '../helpers/transactions.mjs';

/** A transaction that has changed b, deleted a, counted to 4 and written bytes; outside stand a, b and n. */
async function changed(storage, engine) {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['n', null],
  ]);
  const tx = await storage.beginTransaction();
  await tx.set('b', new Map([[1, new Date(5)]]));
  await tx.delete('a');
  await tx.increment('sum', 4);
  await tx.set('bytes', Buffer.from([0, 255]));
  return tx;
}

onBoth('deletes and counters tell what a transaction saw', async (t, { storage, engine }) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  t.true(await tx.delete('a'));
  t.is(await tx.increment('sum', 4), 4);
});

onBoth('a transaction reads its own writes', async (t, { storage, engine }) => {
  const tx = await changed(storage, engine);
  t.deepEqual(await tx.get('b'), new Map([[1, new Date(5)]]));
  t.is(await tx.get('n'), null);
  t.true(await tx.has('n'), 'a stored null is there');
  t.false(await tx.has('a'));
  t.deepEqual(await tx.keys(), ['b', 'bytes', 'n', 'sum']);
  t.deepEqual(await collect(tx.entries({ gt: 'bytes' })), [
    ['n', null],
    ['sum', 4],
  ]);
});

onBoth('the engine is written to by the commit, not before', async (t, { storage, engine }, target) => {
  const tx = await changed(storage, engine);
  t.deepEqual(held(target), { a: 1, b: 2, n: null }, 'nothing is written before the commit');
  await tx.commit();
  t.is(tx.status, 'committed');
  t.deepEqual(held(target), { b: new Map([[1, new Date(5)]]), n: null, sum: 4, bytes: Buffer.from([0, 255]) });
});

onBoth('a rollback leaves nothing', async (t, { storage, engine }, target) => {
  await engine.set('a', 1);
  const dropped = await storage.beginTransaction();
  await dropped.set('a', 2);
  await dropped.clear();
  await dropped.rollback();
  t.deepEqual(held(target), { a: 1 });
});

onBoth('a write outside to what was read is a conflict', async (t, { storage, engine }) => {
  await engine.set('a', 1);
  for (const read of [(tx) => tx.get('a'), (tx) => tx.keys(), (tx) => tx.has('absent')]) {
    const tx = await storage.beginTransaction();
    await read(tx);
    await tx.set('sum', 1);
    await engine.batch([
      { type: 'set', key: 'a', value: Math.random() },
      { type: 'set', key: 'absent', value: 1 },
    ]);
    t.is(await codeOf(tx.commit()), 'CONFLICT');
    t.is(tx.status, 'rolled_back');
    await engine.delete('absent');
  }
  t.false(await engine.has('sum'));
});

onBoth('a read behind a change of what was read before is a conflict', async (t, { storage, engine }) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await engine.set('a', 'changed');
  t.is(await codeOf(tx.get('b')), 'CONFLICT', 'a read that does not fit the one before');
});

onBoth('transactions and counters of many callers lose nothing', async (t, { storage, engine }) => {
  const add = () => storage.transaction(async (tx) => tx.set('n', ((await tx.get('n')) ?? 0) + 1), { retries: 1000 });
  await Promise.all([...Array.from({ length: 15 }, add), ...Array.from({ length: 15 }, () => engine.increment('n'))]);
  t.is(await engine.get('n'), 30);
});

onBoth('a KeyValueStore works on it', async (t, { storage }, target) => {
  const tx = await storage.beginTransaction();
  const store = new KeyValueStore(tx, 'p');
  await store.mset([
    ['a', 1],
    ['b', 2],
  ]);
  t.is(await store.increment('a'), 2);
  t.deepEqual(await store.keys(), ['a', 'b']);
  await store.delete('b');
  await tx.commit();
  t.deepEqual(held(target), { 'p/a': 2 });
});

onBoth('a commit over it and a built-in engine is made on both', async (t, { storage }, target) => {
  const sqlite = storage.getEngine('sqlite');
  await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.engine('sqlite').set('b', 2);
  });
  t.deepEqual(held(target), { a: 1 });
  t.is(await sqlite.get('b'), 2);
});

onBoth('a conflict on a built-in engine leaves it as it was', async (t, { storage, engine }, target) => {
  await engine.set('a', 1);
  const sqlite = storage.getEngine('sqlite');
  const tx = await storage.beginTransaction();
  await tx.engine('sqlite').get('b');
  await tx.engine('sqlite').set('b', 3);
  await tx.set('a', 3);
  await sqlite.set('b', 4);
  t.is(await codeOf(tx.commit()), 'CONFLICT');
  t.deepEqual(held(target), { a: 1 }, 'taken back with the other');
  t.deepEqual(await engine.keys(), ['a'], 'what the library keeps there is hidden');
});

/** Commits over two engines, for which the library keeps an id in the custom one. Gives the key of the id. */
async function keyOfTheLibrary(t, storage, target) {
  await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.engine('sqlite').set('b', 2);
  });
  const [ours] = [...target.records.keys()].filter((key) => key.startsWith(OURS));
  t.is(typeof ours, 'string', 'an id, for transactions over several engines');
  return ours;
}

onBoth('what the library keeps in it is not listed', async (t, { storage, engine }, target) => {
  await keyOfTheLibrary(t, storage, target);
  t.deepEqual(await engine.keys(), ['a']);
  t.is(await engine.count({ prefix: OURS }), 0);
  t.deepEqual(await collect(engine.entries()), [['a', 1]]);
  t.like(await engine.verify(), { ok: true, checked: 1 });
  const tx = await storage.beginTransaction();
  t.deepEqual(await tx.keys(), ['a']);
});

onBoth('what the library keeps in it is refused by every call', async (t, { storage, engine }, target) => {
  const ours = await keyOfTheLibrary(t, storage, target);
  const tx = await storage.beginTransaction();
  for (const store of [engine, tx]) t.is(await codeOf(store.get(ours)), 'INVALID_KEY');
  for (const call of [
    engine.has(ours),
    engine.set(ours, 1),
    engine.delete(ours),
    engine.getMany(['a', ours]),
    engine.deleteMany([ours]),
    engine.increment(ours),
    engine.setMany([
      ['a', 2],
      [ours, 1],
    ]),
    engine.batch([
      { type: 'set', key: 'a', value: 2 },
      { type: 'delete', key: ours },
    ]),
  ])
    t.is(await codeOf(call), 'INVALID_KEY');
  await tx.set(ours, 1);
  t.is(await codeOf(tx.commit()), 'INVALID_KEY');
  t.deepEqual(held(target), { a: 1 });
});

onBoth('a clear of the engine removes what the library keeps in it', async (t, { storage, engine }, target) => {
  const ours = await keyOfTheLibrary(t, storage, target);
  await new KeyValueStore(engine).clear();
  t.true(target.records.has(ours));
  await engine.clear();
  t.is(target.records.size, 0);
});

test('ttl and metadata are kept where they are declared', async (t) => {
  const full = new FullEngine();
  const { storage, engine } = managerOf(t, full);
  await storage.transaction((tx) => tx.set('a', 1, { ttl: 60_000, metadata: { by: [1] } }));
  t.like(full.records.get('a'), { value: 1, metadata: { by: [1] } });
  t.true(full.records.get('a').expiresAt > Date.now());
  await storage.transaction((tx) => tx.increment('a'));
  t.like(await engine.getEntry('a'), { value: 2, metadata: { by: [1] } });
});

test('a record that was committed with a ttl expires', async (t) => {
  const { storage } = managerOf(t, new FullEngine());
  await storage.transaction((tx) => tx.set('short', 1, { ttl: 20 }));
  await sleep(30);
  t.is(await storage.transaction((tx) => tx.has('short')), false);
});

test('ttl and metadata that are not declared are refused before anything is written', async (t) => {
  for (const options of [{ ttl: 5 }, { metadata: 1 }]) {
    const bare = new BareEngine();
    const { storage } = managerOf(t, bare);
    const commit = storage.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.set('b', 1, options);
    });
    t.like(await t.throwsAsync(commit), { code: 'NOT_SUPPORTED', engine: 'mine', key: 'b' });
    t.deepEqual(held(bare), {});
  }
});

onBoth('a watch is told of a commit', async (t, { storage, engine }) => {
  await engine.connect();
  const events = engine.watch();
  const next = async () => (await events.next()).value;
  const first = next();
  await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.set('b', 2);
  });
  t.like(await first, { type: 'set', key: 'a' });
  t.like(await next(), { type: 'set', key: 'b' });
  await events.return();
});

onBoth('a watch is not told of a commit that was taken back', async (t, { storage, engine }) => {
  await engine.set('b', 2);
  const events = engine.watch();
  const next = async () => (await events.next()).value;
  const first = next();
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await tx.set('c', 1);
  await engine.set('a', 2);
  t.is(await codeOf(tx.commit()), 'CONFLICT');
  await engine.delete('b');
  t.like(await first, { type: 'set', key: 'a' });
  t.like(await next(), { type: 'delete', key: 'b' });
  await events.return();
});
