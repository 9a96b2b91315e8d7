// A transaction leaves everything it wrote in its engine with a commit, and nothing with a rollback.
import { Buffer } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyValueStore } from '../helpers/entry.mjs';
import { collect } from '../helpers/engines.mjs';
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

onEach('its writes are seen outside with the commit, not before', async (t, storage, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const tx = await storage.beginTransaction();
  await tx.set('b', 'new');
  await tx.delete('c');
  await tx.set('d', null);
  t.deepEqual(await engine.getMany(['a', 'b', 'c', 'd']), [1, 2, 3, null]);
  t.is(await tx.commit(), undefined);
  t.is(tx.status, 'committed');
  t.deepEqual(await engine.getMany(['a', 'b', 'c', 'd']), [1, 'new', null, null]);
});

onEach('a rollback drops everything, and leaves what others wrote', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  await tx.set('a', 'mine');
  await tx.set('b', 'mine');
  await engine.set('a', 2);
  t.is(await tx.rollback(), undefined);
  t.is(tx.status, 'rolled_back');
  t.deepEqual(await collect(engine.entries()), [['a', 2]]);
});

onEach('every kind of value goes through it', async (t, storage, engine) => {
  const values = {
    nothing: null,
    yes: true,
    nan: NaN,
    minus: -0,
    endless: -Infinity,
    text: 'a\ud800',
    big: 10n ** 30n,
    date: new Date(0),
    bytes: Buffer.from([0, 255]),
    floats: new Float32Array([1.5]),
    map: new Map([[{ a: 1 }, new Set([1n])]]),
    pattern: /a/gi,
    deep: { list: [new Date(5), { $date: 'no date' }] },
  };
  const tx = await storage.beginTransaction();
  for (const [key, value] of Object.entries(values)) await tx.set(key, value);
  for (const [key, value] of Object.entries(values)) t.deepEqual(await tx.get(key), value);
  t.deepEqual(Object.fromEntries(await collect(tx.entries())), values);
  await tx.commit();
  for (const [key, value] of Object.entries(values)) t.deepEqual(await engine.get(key), value);
});

onEach('a value changed after the call is committed as it was', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const bytes = Buffer.from('before');
  const written = tx.set('later', bytes);
  bytes.write('after!');
  await written;
  await tx.commit();
  t.deepEqual(await engine.get('later'), Buffer.from('before'));
});

onEach('expiry and metadata are kept', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const expiresAt = Date.now() + 60_000;
  await tx.set('a', 1, { expiresAt, metadata: { by: 'me' } });
  t.like(await tx.getEntry('a'), { expiresAt, metadata: { by: 'me' } });
  await tx.commit();
  t.like(await engine.getEntry('a'), { value: 1, expiresAt, metadata: { by: 'me' } });
});

onEach('what expired before the commit is not there after it', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  await tx.set('short', 1, { ttl: 30 });
  await sleep(40);
  await tx.commit();
  t.deepEqual(await engine.keys(), ['a']);
});

onEach('a large one commits whole', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const entries = Array.from({ length: 3_000 }, (_, index) => [
    `k${String(index).padStart(5, '0')}`,
    { index, text: 'x'.repeat(100) },
  ]);
  await tx.setMany(entries);
  t.is(await tx.count(), 3_000);
  t.deepEqual(await collect(tx.entries()), entries, 'over many pages');
  await tx.commit();
  t.is(await engine.count(), 3_000);
});

onEach('readOnly refuses writes of every kind and goes on', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction({ readOnly: true });
  const writes = [
    tx.set('a', 2),
    tx.set('a', 2, { ifAbsent: true }),
    tx.delete('a'),
    tx.clear(),
    tx.setMany([['a', 2]]),
    tx.deleteMany(['a']),
    tx.increment('n'),
    tx.compareAndSet('n', null, 1),
    tx.batch([{ type: 'set', key: 'a', value: 2 }]),
    new KeyValueStore(tx, 'p').clear(),
  ];
  for (const write of writes) t.is(await codeOf(write), 'READ_ONLY');
  t.is(await tx.get('a'), 1);
  await tx.commit();
  t.is(await engine.get('a'), 1);
});

onEach(
  'reserved folders and bad keys are refused inside as outside, and the rest goes on',
  async (t, storage, engine) => {
    const tx = await storage.beginTransaction();
    t.is(await codeOf(tx.set('docs/a', 1)), 'INVALID_KEY');
    t.is(await codeOf(tx.get('')), 'INVALID_KEY');
    t.is(await codeOf(tx.set('a', () => 1)), 'UNSUPPORTED_VALUE');
    t.is(await codeOf(tx.get(5)), 'INVALID_ARGUMENT');
    t.is(await codeOf(tx.keys({ prefx: 'a' })), 'INVALID_ARGUMENT');
    t.is(await codeOf(tx.entries(5).next()), 'INVALID_ARGUMENT');
    await tx.set('a', 1);
    await tx.commit();
    t.is(await engine.get('a'), 1);
  },
);
