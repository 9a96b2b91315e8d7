// A transaction sees its own writes, on each engine.
import { setTimeout as sleep } from 'node:timers/promises';
import { collect } from '../helpers/engines.mjs';
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

/** A transaction that has replaced b, deleted c and added d with a null; outside stand a, b and c. */
async function changed(storage, engine) {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const tx = await storage.beginTransaction();
  await tx.set('b', 'new');
  await tx.delete('c');
  await tx.set('d', null);
  return tx;
}

onEach('it reads its own writes by key', async (t, storage, engine) => {
  const tx = await changed(storage, engine);
  t.is(await tx.get('b'), 'new');
  t.is(await tx.get('c'), null);
  t.false(await tx.has('c'));
  t.deepEqual(await tx.getMany(['a', 'b', 'c', 'd']), [1, 'new', null, null]);
  t.like(await tx.getEntry('b'), { value: 'new', expiresAt: null, metadata: null });
  t.is(await tx.getEntry('c'), null);
});

onEach('a null that it stored is told from absence', async (t, storage, engine) => {
  const tx = await changed(storage, engine);
  t.true(await tx.has('d'), 'a stored null is there');
  t.is(await tx.get('d'), null);
  await tx.commit();
  t.true(await engine.has('d'));
});

onEach('delete tells whether the key was there', async (t, storage, engine) => {
  await engine.set('c', 3);
  const tx = await storage.beginTransaction();
  t.true(await tx.delete('c'));
  t.false(await tx.delete('absent'));
});

/** A transaction that has added bb and zz, deleted c and replaced é; outside stand a to d and é. */
async function relisted(storage, engine) {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
    ['d', 4],
    ['é', 5],
  ]);
  const tx = await storage.beginTransaction();
  await tx.batch([
    { type: 'set', key: 'bb', value: 'two and a half' },
    { type: 'delete', key: 'c' },
    { type: 'set', key: 'é', value: 'new' },
    { type: 'set', key: 'zz', value: 26 },
  ]);
  return tx;
}

onEach('it lists its own writes in order, within limits, in both directions', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.deepEqual(await tx.keys(), ['a', 'b', 'bb', 'd', 'zz', 'é']);
  t.deepEqual(await tx.keys({ reverse: true, limit: 3 }), ['é', 'zz', 'd']);
  t.deepEqual(await tx.keys({ limit: 3 }), ['a', 'b', 'bb']);
});

onEach('its own writes are in ranges', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.deepEqual(await tx.keys({ gt: 'b', lte: 'd' }), ['bb', 'd']);
  t.deepEqual(await tx.keys({ gte: 'bb', reverse: true, lt: 'zz' }), ['d', 'bb']);
});

onEach('its own writes match patterns', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.deepEqual(await tx.keys('b*'), ['b', 'bb']);
  t.deepEqual(await tx.keys('??'), ['bb', 'zz']);
});

onEach('its own writes are counted', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.is(await tx.count(), 6);
  t.is(await tx.count({ prefix: 'b' }), 2);
  t.is(await tx.count({ limit: 4 }), 4);
});

onEach('it iterates over its own writes', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.deepEqual(await collect(tx.entries({ gte: 'b', lt: 'zz' })), [
    ['b', 2],
    ['bb', 'two and a half'],
    ['d', 4],
  ]);
  t.deepEqual(await collect(tx.values({ prefix: 'z' })), [26]);
  t.deepEqual(await collect(tx.keysIterator({ reverse: true, limit: 2 })), ['é', 'zz']);
});

onEach('deleteMany counts what was there, its own writes included', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  t.is(await tx.deleteMany(['a', 'c', 'zz', 'no']), 2);
  t.deepEqual(await tx.keys(), ['b', 'bb', 'd', 'é']);
});

onEach('clear removes everything inside at once, outside with the commit', async (t, storage, engine) => {
  const tx = await relisted(storage, engine);
  await tx.clear();
  t.is(await tx.count(), 0);
  t.deepEqual(await collect(tx.entries()), []);
  await tx.set('x', 1);
  t.deepEqual(await tx.keys(), ['x']);
  t.is(await engine.count(), 5);
  await tx.commit();
  t.deepEqual(await engine.keys(), ['x']);
});

onEach('counters go on from what it wrote', async (t, storage, engine) => {
  await engine.set('n', 40);
  const tx = await storage.beginTransaction();
  t.is(await tx.increment('n', 2), 42);
  t.is(await tx.increment('new'), 1);
  await tx.set('m', 'no number');
  t.is(await codeOf(tx.increment('m')), 'INVALID_ARGUMENT');
  await tx.commit();
  t.deepEqual(await engine.getMany(['n', 'new']), [42, 1]);
});

onEach('a version from outside does not hold for what it wrote, one from inside does', async (t, storage, engine) => {
  await engine.set('n', 40);
  const before = await engine.getEntry('n');
  const tx = await storage.beginTransaction();
  await tx.increment('n', 2);
  t.is(await codeOf(tx.set('n', 0, { ifAbsent: true })), 'CONFLICT');
  t.is(
    await codeOf(tx.set('n', 0, { ifVersion: before.version })),
    'CONFLICT',
    'the transaction has changed it itself',
  );
  const inside = await tx.getEntry('n');
  t.is(inside.value, 42);
  await tx.set('n', 43, { ifVersion: inside.version });
  await tx.commit();
  t.is(await engine.get('n'), 43);
});

onEach('compareAndSet compares with its own writes', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const swapped = await tx.compareAndSet('m', null, 'mine');
  t.true(swapped.ok);
  t.deepEqual(await tx.compareAndSet('m', null, 'again'), { ok: false, version: swapped.version });
  t.true((await tx.compareAndSet('m', swapped.version, 'twice')).ok);
  await tx.commit();
  t.is(await engine.get('m'), 'twice');
});

onEach('a batch inside is whole or not at all', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('n', 43);
  t.is(
    await codeOf(
      tx.setMany(
        [
          ['x', 1],
          ['n', 2],
        ],
        { ifAbsent: true },
      ),
    ),
    'CONFLICT',
  );
  t.false(await tx.has('x'), 'a batch is whole or not at all, inside too');
  await tx.commit();
  t.deepEqual(await engine.getMany(['n', 'x']), [43, null]);
});

onEach('checks of a batch look at its own writes', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.batch([
    { type: 'check', key: 'absent', version: null },
    { type: 'set', key: 'y', value: 1 },
  ]);
  t.is(
    await codeOf(
      tx.batch([
        { type: 'check', key: 'y', version: null },
        { type: 'delete', key: 'y' },
      ]),
    ),
    'CONFLICT',
  );
  await tx.commit();
  t.is(await engine.get('y'), 1);
});

onEach('what expires inside is gone inside', async (t, storage) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  await tx.set('short', 1, { ttl: 30 });
  await sleep(40);
  t.is(await tx.get('short'), null);
  t.deepEqual(await tx.keys(), ['a']);
});

onEach('an iteration shows the moment it began', async (t, storage, engine) => {
  await engine.setMany(Array.from({ length: 10 }, (_, index) => [`k${index}`, index]));
  const tx = await storage.beginTransaction();
  const iterator = tx.keysIterator();
  t.is((await iterator.next()).value, 'k0');
  await tx.delete('k5');
  await tx.set('k55', 1);
  const rest = [];
  for (let count = 0; count < 5; count++) rest.push((await iterator.next()).value);
  t.deepEqual(rest, ['k1', 'k2', 'k3', 'k4', 'k5']);
});

onEach('an iteration ends with its transaction', async (t, storage, engine) => {
  await engine.setMany(Array.from({ length: 10 }, (_, index) => [`k${index}`, index]));
  const tx = await storage.beginTransaction();
  const iterator = tx.keysIterator();
  await iterator.next();
  await tx.commit();
  t.is(await codeOf(iterator.next()), 'TRANSACTION_COMPLETED');
});
