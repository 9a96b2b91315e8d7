import { inspect } from 'node:util';
import { collect, onEach } from '../helpers/engines.mjs';

const WITH_SNAPSHOTS = ['memory', 'file', 'sqlite', 'leveldb'];

/** A snapshot of a, b and c, of which c was still being written; everything was changed since. */
async function outdated(engine) {
  await engine.setMany([
    ['a', { n: 1 }],
    ['b', Buffer.from([2])],
  ]);
  const writing = engine.set('c', 3);
  const snapshot = await engine.snapshot();
  await writing;
  await engine.set('a', 'changed');
  await engine.delete('b');
  await engine.set('d', 4);
  return snapshot;
}

onEach(
  'reads of a key in a snapshot show one moment, whatever comes after',
  async (t, engine) => {
    const snapshot = await outdated(engine);
    t.deepEqual(await snapshot.get('a'), { n: 1 });
    t.deepEqual(await snapshot.get('b'), Buffer.from([2]));
    t.is(await snapshot.get('d'), null);
    t.true(await snapshot.has('b'));
    t.false(await snapshot.has('d'));
    t.deepEqual(await snapshot.getMany(['c', 'x', 'a']), [3, null, { n: 1 }]);
    await snapshot.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'listings, counts and iterations of a snapshot show one moment, whatever comes after',
  async (t, engine) => {
    const snapshot = await outdated(engine);
    t.deepEqual(await snapshot.keys(), ['a', 'b', 'c']);
    t.deepEqual(await snapshot.keys({ reverse: true, limit: 1 }), ['c']);
    t.is(await snapshot.count('[ab]'), 2);
    t.deepEqual(await collect(snapshot.entries({ gt: 'a' })), [
      ['b', Buffer.from([2])],
      ['c', 3],
    ]);
    t.deepEqual(await collect(snapshot.values({ lt: 'b' })), [{ n: 1 }]);
    t.deepEqual(await collect(snapshot.keysIterator()), ['a', 'b', 'c']);
    await snapshot.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'the engine goes on while a snapshot is open and after it is closed',
  async (t, engine) => {
    const snapshot = await outdated(engine);
    await snapshot.close();
    t.deepEqual(await engine.keys(), ['a', 'c', 'd']);
  },
  WITH_SNAPSHOTS,
);

onEach(
  'a closed snapshot rejects with CLOSED',
  async (t, engine) => {
    await engine.set('a', 1);
    const snapshot = await engine.snapshot();
    await snapshot.close();
    await snapshot.close();
    await t.throwsAsync(snapshot.get('a'), { code: 'CLOSED' });
    await t.throwsAsync(collect(snapshot.entries()), { code: 'CLOSED' });
  },
  WITH_SNAPSHOTS,
);

onEach(
  'disposal closes a snapshot',
  async (t, engine) => {
    const disposed = await engine.snapshot();
    await disposed[Symbol.asyncDispose]();
    await t.throwsAsync(disposed.count(), { code: 'CLOSED' });
  },
  WITH_SNAPSHOTS,
);

onEach(
  'a disconnect ends snapshots',
  async (t, engine) => {
    await engine.set('a', 1);
    const snapshot = await engine.snapshot();
    await engine.disconnect();
    await t.throwsAsync(snapshot.get('a'), { code: 'CLOSED' });
    t.is(await engine.get('a'), 1);
    await t.throwsAsync(snapshot.get('a'), { code: 'CLOSED' }, 'a later connection does not revive it');
  },
  WITH_SNAPSHOTS,
);

onEach(
  'an iteration sees the moment it began',
  async (t, engine) => {
    await engine.setMany(
      Array.from({ length: 2000 }, (_, index) => [`k${String(index).padStart(4, '0')}`, 'x'.repeat(300)]),
    );
    const iterator = engine.entries();
    await iterator.next();
    await engine.clear();
    t.is((await collect(iterator)).length, 1999);
  },
  WITH_SNAPSHOTS,
);

onEach(
  'arguments of a snapshot are checked',
  async (t, engine) => {
    const snapshot = await engine.snapshot();
    await t.throwsAsync(snapshot.get(1), { code: 'INVALID_ARGUMENT' });
    await t.throwsAsync(snapshot.has(''), { code: 'INVALID_KEY' });
    await t.throwsAsync(snapshot.keys({ from: 'a' }), { code: 'INVALID_ARGUMENT' });
    await t.throwsAsync(collect(snapshot.entries(5)), { code: 'INVALID_ARGUMENT' });
    await t.throwsAsync(snapshot.getMany('abc'), { code: 'INVALID_ARGUMENT' });
    await snapshot.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'an inspected snapshot names its engine',
  async (t, engine) => {
    const snapshot = await engine.snapshot();
    t.is(inspect(snapshot), `Snapshot { engine: '${engine.name}' }`);
    await snapshot.close();
  },
  WITH_SNAPSHOTS,
);

onEach(
  'engines without snapshots say so',
  async (t, engine) => {
    t.false(engine.capabilities.snapshots);
    await t.throwsAsync(engine.snapshot(), { code: 'NOT_SUPPORTED' });
  },
  ['redis', 'custom'],
);
