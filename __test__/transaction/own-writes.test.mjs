// What a transaction sees and writes, on each engine.
import { Buffer } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyValueStore } from '../helpers/entry.mjs';
import { collect } from '../helpers/engines.mjs';
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';
import { seeded } from '../../reliability/lib/random.mjs';

const SNAPSHOTS = ['memory', 'file', 'sqlite', 'leveldb'];
const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

onEach('its writes are seen inside at once, outside with the commit', async (t, storage, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const tx = await storage.beginTransaction();
  t.is(tx.status, 'pending');
  t.regex(tx.id, /^tx_\d{13}_[0-9a-z]{9}$/);
  await tx.set('b', 'new');
  t.true(await tx.delete('c'));
  t.false(await tx.delete('absent'));
  await tx.set('d', null);
  t.is(await tx.get('b'), 'new');
  t.is(await tx.get('c'), null);
  t.true(await tx.has('d'), 'a stored null is there');
  t.is(await tx.get('d'), null);
  t.false(await tx.has('c'));
  t.deepEqual(await tx.getMany(['a', 'b', 'c', 'd']), [1, 'new', null, null]);
  t.like(await tx.getEntry('b'), { value: 'new', expiresAt: null, metadata: null });
  t.is(await tx.getEntry('c'), null);
  t.deepEqual(await engine.getMany(['a', 'b', 'c', 'd']), [1, 2, 3, null]);
  t.is(await tx.commit(), undefined);
  t.is(tx.status, 'committed');
  t.deepEqual(await engine.getMany(['a', 'b', 'c', 'd']), [1, 'new', null, null]);
  t.true(await engine.has('d'));
});

onEach('its writes are in ranges, patterns, limits, counts and iterations, in order', async (t, storage, engine) => {
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
  t.deepEqual(await tx.keys(), ['a', 'b', 'bb', 'd', 'zz', 'é']);
  t.deepEqual(await tx.keys({ reverse: true, limit: 3 }), ['é', 'zz', 'd']);
  t.deepEqual(await tx.keys({ limit: 3 }), ['a', 'b', 'bb']);
  t.deepEqual(await tx.keys({ gt: 'b', lte: 'd' }), ['bb', 'd']);
  t.deepEqual(await tx.keys({ gte: 'bb', reverse: true, lt: 'zz' }), ['d', 'bb']);
  t.deepEqual(await tx.keys('b*'), ['b', 'bb']);
  t.deepEqual(await tx.keys('??'), ['bb', 'zz']);
  t.is(await tx.count(), 6);
  t.is(await tx.count({ prefix: 'b' }), 2);
  t.is(await tx.count({ limit: 4 }), 4);
  t.deepEqual(await collect(tx.entries({ gte: 'b', lt: 'zz' })), [
    ['b', 2],
    ['bb', 'two and a half'],
    ['d', 4],
  ]);
  t.deepEqual(await collect(tx.values({ prefix: 'z' })), [26]);
  t.deepEqual(await collect(tx.keysIterator({ reverse: true, limit: 2 })), ['é', 'zz']);
  t.is(await tx.deleteMany(['a', 'c', 'zz', 'no']), 2);
  t.deepEqual(await tx.keys(), ['b', 'bb', 'd', 'é']);
  await tx.clear();
  t.is(await tx.count(), 0);
  t.deepEqual(await collect(tx.entries()), []);
  await tx.set('x', 1);
  t.deepEqual(await tx.keys(), ['x']);
  t.is(await engine.count(), 5);
  await tx.commit();
  t.deepEqual(await engine.keys(), ['x']);
});

onEach('conditions, counters and versions are those inside', async (t, storage, engine) => {
  await engine.set('n', 40);
  const before = await engine.getEntry('n');
  const tx = await storage.beginTransaction();
  t.is(await tx.increment('n', 2), 42);
  t.is(await tx.increment('new'), 1);
  t.is(await codeOf(tx.set('n', 0, { ifAbsent: true })), 'CONFLICT');
  t.is(
    await codeOf(tx.set('n', 0, { ifVersion: before.version })),
    'CONFLICT',
    'the transaction has changed it itself',
  );
  const inside = await tx.getEntry('n');
  t.is(inside.value, 42);
  await tx.set('n', 43, { ifVersion: inside.version });
  const swapped = await tx.compareAndSet('m', null, 'mine');
  t.true(swapped.ok);
  t.deepEqual(await tx.compareAndSet('m', null, 'again'), { ok: false, version: swapped.version });
  t.true((await tx.compareAndSet('m', swapped.version, 'twice')).ok);
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
  t.is(await codeOf(tx.increment('m')), 'INVALID_ARGUMENT');
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
  t.deepEqual(await engine.getMany(['n', 'm', 'new', 'x', 'y']), [43, 'twice', 1, null, 1]);
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
  const bytes = Buffer.from('before');
  const written = tx.set('later', bytes);
  bytes.write('after!');
  await written;
  await tx.commit();
  for (const [key, value] of Object.entries(values)) t.deepEqual(await engine.get(key), value);
  t.deepEqual(await engine.get('later'), Buffer.from('before'));
});

onEach('expiry and metadata are kept, and what expires inside is gone inside', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const expiresAt = Date.now() + 60_000;
  await tx.set('a', 1, { expiresAt, metadata: { by: 'me' } });
  await tx.set('short', 1, { ttl: 30 });
  t.like(await tx.getEntry('a'), { expiresAt, metadata: { by: 'me' } });
  await sleep(40);
  t.is(await tx.get('short'), null);
  t.deepEqual(await tx.keys(), ['a']);
  await tx.commit();
  t.like(await engine.getEntry('a'), { value: 1, expiresAt, metadata: { by: 'me' } });
  t.deepEqual(await engine.keys(), ['a']);
});

onEach(
  'reads are of the moment of the first, whatever others write',
  async (t, storage, engine) => {
    await engine.setMany([
      ['a', 1],
      ['b', 1],
    ]);
    const tx = await storage.beginTransaction({ readOnly: true });
    t.is(await tx.get('a'), 1);
    await engine.setMany([
      ['a', 2],
      ['b', 2],
      ['c', 2],
    ]);
    await engine.delete('b');
    t.is(await tx.get('a'), 1);
    t.is(await tx.get('b'), 1);
    t.deepEqual(await tx.keys(), ['a', 'b']);
    t.deepEqual(await collect(tx.entries()), [
      ['a', 1],
      ['b', 1],
    ]);
    t.is(await tx.count(), 2);
    await tx.commit();
    t.deepEqual(await engine.keys(), ['a', 'c']);
  },
  SNAPSHOTS,
);

onEach('a key that was read and then changed by someone else is a CONFLICT', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  t.is(await tx.get('a'), 1);
  await tx.set('b', 1);
  await engine.set('a', 2);
  const error = await t.throwsAsync(tx.commit(), { code: 'CONFLICT', name: 'StorageError' });
  t.true(error.retryable);
  t.is(error.operation, 'commit');
  t.is(tx.status, 'rolled_back');
  t.false(await engine.has('b'));
  t.is(await codeOf(tx.commit()), 'TRANSACTION_COMPLETED');
});

onEach('absence is read too, and so are ranges: a phantom is a CONFLICT', async (t, storage, engine) => {
  const reads = [
    (tx) => tx.get('p/1'),
    (tx) => tx.has('p/1'),
    (tx) => tx.getEntry('p/1'),
    (tx) => tx.getMany(['x', 'p/1']),
    (tx) => tx.keys('p/*'),
    (tx) => tx.count({ prefix: 'p/' }),
    (tx) => collect(tx.entries({ gt: 'p', lt: 'q' })),
    (tx) => collect(tx.keysIterator({ reverse: true })),
  ];
  for (const [index, read] of reads.entries()) {
    const tx = await storage.beginTransaction();
    await read(tx);
    await tx.set('mine', index);
    await engine.set('p/1', index);
    t.is(await codeOf(tx.commit()), 'CONFLICT', String(read));
    await engine.delete('p/1');
  }
  t.false(await engine.has('mine'));
});

onEach('what was not read may change, and writes without reads do not conflict', async (t, storage, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 1],
    ['z', 1],
  ]);
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await tx.set('c', 1);
  await engine.set('b', 2);
  await tx.commit();
  const blind = await storage.beginTransaction();
  await blind.set('b', 'blind');
  await engine.set('b', 3);
  await blind.commit();
  t.is(await engine.get('b'), 'blind');
});

onEach('one that only read commits whatever happened', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await engine.set('a', 2);
  await tx.commit();
  t.is(tx.status, 'committed');
});

onEach('calls take effect in the order made, also those nobody waits for', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const calls = [
    tx.set('a', 1),
    tx.get('a'),
    tx.set('a', 2),
    tx.keys(),
    tx.increment('a'),
    tx.delete('b'),
    tx.set('b', 1),
    tx.count(),
    tx.clear(),
    tx.set('c', 3),
  ];
  const committed = tx.commit();
  const late = tx.set('late', 1);
  t.is(await codeOf(late), 'TRANSACTION_COMPLETED');
  t.deepEqual(await Promise.all(calls), [undefined, 1, undefined, ['a'], 3, false, undefined, 2, undefined, undefined]);
  await committed;
  t.deepEqual(await engine.keys(), ['c']);
});

onEach('one begun before the engine is open keeps its order too', async (t, storage, engine) => {
  t.is(engine.status, 'idle');
  const tx = await storage.beginTransaction();
  t.is(engine.status, 'idle', 'beginning opens nothing');
  const calls = [tx.set('a', 1), tx.set('a', 2), tx.get('a')];
  await tx.commit();
  t.deepEqual(await Promise.all(calls), [undefined, undefined, 2]);
  t.is(await engine.get('a'), 2);
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

onEach('a key-value store stands on it', async (t, storage, engine) => {
  const outside = new KeyValueStore(engine, 'settings');
  await outside.mset([
    ['theme', 'dark'],
    ['size', 1],
  ]);
  await engine.set('other', 1);
  const tx = await storage.beginTransaction();
  const inside = new KeyValueStore(tx, 'settings');
  await inside.set('lang', 'fa');
  await inside.delete('size');
  await new KeyValueStore(tx, 'settings/deep').set('x', 1);
  t.deepEqual(await inside.keys(), ['deep/x', 'lang', 'theme']);
  t.is(await inside.count('*e*'), 2);
  t.deepEqual(await collect(inside.entries({ lt: 'm' })), [
    ['deep/x', 1],
    ['lang', 'fa'],
  ]);
  t.deepEqual(await inside.mget(['theme', 'size']), ['dark', null]);
  t.is(await inside.increment('n'), 1);
  await inside.clear();
  t.is(await inside.count(), 0);
  await inside.set('theme', 'light');
  t.deepEqual(await outside.keys(), ['size', 'theme']);
  await tx.commit();
  t.deepEqual(await engine.keys(), ['other', 'settings/theme']);
  t.is(await outside.get('theme'), 'light');
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

onEach('an iteration inside shows the moment it began, and ends with the transaction', async (t, storage, engine) => {
  await engine.setMany(Array.from({ length: 10 }, (_, index) => [`k${index}`, index]));
  const tx = await storage.beginTransaction();
  const iterator = tx.keysIterator();
  t.is((await iterator.next()).value, 'k0');
  await tx.delete('k5');
  await tx.set('k55', 1);
  const rest = [];
  for (let count = 0; count < 5; count++) rest.push((await iterator.next()).value);
  t.deepEqual(rest, ['k1', 'k2', 'k3', 'k4', 'k5']);
  await tx.commit();
  t.is(await codeOf(iterator.next()), 'TRANSACTION_COMPLETED');
});

// Small and large values, awaited or not: what gathers before it crosses to the addon is seen by whatever comes after it.
onEach('random calls see and leave what a map would, awaited or not', async (t, storage, engine) => {
  const random = seeded(`own writes ${engine.name}`);
  const keys = ['a', 'ab', 'b/1', 'b/2', 'ç', '\u0000', 'x\u0001y'];
  for (let round = 0; round < 12; round += 1) {
    const model = new Map(Object.entries(Object.fromEntries(await collect(engine.entries()))));
    const checks = [];
    const later = (promise, expected, what) =>
      checks.push(promise.then((found) => t.deepEqual(found, expected, `round ${round}: ${what}`)));
    await storage.transaction(async (tx) => {
      for (let step = 0; step < 40; step += 1) {
        const key = random.pick(keys);
        const value = random.chance(0.1)
          ? 'long'.repeat(20_000 + step)
          : random.pick([step, null, { step }, [`"${step}"`, 'é'], Buffer.from([step])]);
        const call = random.weighted({
          set: 8,
          get: 6,
          delete: 2,
          increment: 1,
          entry: 1,
          batch: 2,
          has: 1,
          many: 1,
          keys: 1,
          count: 1,
          entries: 1,
          ttl: 1,
          clear: 0.3,
        });
        if (call === 'set') {
          later(tx.set(key, value), undefined, call);
          model.set(key, value);
        } else if (call === 'ttl') {
          later(tx.set(key, value, { ttl: 3_600_000 }), undefined, call);
          model.set(key, value);
        } else if (call === 'get') later(tx.get(key), model.get(key) ?? null, call);
        else if (call === 'has') later(tx.has(key), model.has(key), call);
        else if (call === 'entry')
          later(
            tx.getEntry(key).then((entry) => entry?.value),
            model.get(key),
            call,
          );
        else if (call === 'many')
          later(
            tx.getMany(keys),
            keys.map((one) => model.get(one) ?? null),
            call,
          );
        else if (call === 'count') later(tx.count(), model.size, call);
        else if (call === 'keys') later(tx.keys(), [...model.keys()].sort(byBytes), call);
        else if (call === 'entries')
          t.deepEqual(
            await collect(tx.entries()),
            [...model].sort(([a], [b]) => byBytes(a, b)),
            `round ${round}: ${call}`,
          );
        else if (call === 'delete') {
          later(tx.delete(key), model.has(key), call);
          model.delete(key);
        } else if (call === 'increment') {
          const counted = typeof model.get('n') === 'number' ? model.get('n') + 1 : 1;
          later(tx.increment('n'), counted, call);
          model.set('n', counted);
        } else if (call === 'batch') {
          later(
            tx.batch([
              { type: 'set', key, value },
              { type: 'delete', key: 'a' },
            ]),
            undefined,
            call,
          );
          model.set(key, value);
          model.delete('a');
        } else {
          later(tx.clear(), undefined, call);
          model.clear();
        }
        if (random.chance(0.3)) await Promise.all(checks.splice(0));
      }
    });
    await Promise.all(checks);
    t.deepEqual(
      await collect(engine.entries()),
      [...model].sort(([a], [b]) => byBytes(a, b)),
      `round ${round}: after the commit`,
    );
  }
});
