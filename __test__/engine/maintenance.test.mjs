// verify, stats and compact of each engine.
import test from 'ava';
import { MemoryStorage } from '../helpers/entry.mjs';
import { onEach } from '../helpers/engines.mjs';

/** Two records. */
const filled = (engine) =>
  engine.setMany([
    ['a', 1],
    ['b', 2],
  ]);

onEach('verify finds nothing wrong, and tells its progress', async (t, engine) => {
  await filled(engine);
  const progress = [];
  const report = await engine.verify({ repair: false, onProgress: ({ phase }) => progress.push(phase) });
  t.deepEqual([...new Set(progress)], ['verify']);
  t.deepEqual([report.ok, report.errors], [true, []]);
  t.true(report.checked >= 2);
});

onEach('stats have the same names on every engine', async (t, engine) => {
  await filled(engine);
  const stats = await engine.stats();
  t.deepEqual(Object.keys(stats), ['keys', 'memoryBytes', 'diskBytes', 'commit', 'logFloor', 'counters', 'details']);
  t.true(stats.keys === null || stats.keys >= 2);
  t.deepEqual(Object.keys(stats.counters), [
    'commits',
    'conflicts',
    'groups',
    'fsyncs',
    'cacheHits',
    'cacheMisses',
    'recoveries',
    'evictions',
    'retries',
  ]);
});

onEach('compact loses nothing', async (t, engine) => {
  await filled(engine);
  await engine.compact();
  t.is(await engine.get('a'), 1);
});

onEach(
  'commits, conflicts, groups, syncs and cache hits are counted',
  async (t, engine) => {
    const counts = async () => (await engine.stats()).counters;
    const before = await counts();
    await Promise.all(Array.from({ length: 50 }, (_, index) => engine.set(`k${index}`, index)));
    await t.throwsAsync(engine.set('k1', 2, { ifAbsent: true }), { code: 'CONFLICT' });
    t.is(await engine.get('k1'), 1);
    const after = await counts();
    t.is(after.commits - before.commits, 50);
    t.is(after.conflicts - before.conflicts, 1);
    t.true(after.groups <= after.commits && after.fsyncs >= before.fsyncs);
    if (engine.name === 'memory') t.deepEqual([after.fsyncs, after.cacheHits, after.cacheMisses], [0, null, null]);
    else t.true(after.cacheHits + after.cacheMisses > before.cacheHits + before.cacheMisses);
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

test('memory: a value that does not fit evicts nothing, and evictions are counted', async (t) => {
  const engine = new MemoryStorage({ maxBytes: 10_000, eviction: 'lru' });
  const NO_SPACE = { code: 'NO_SPACE', name: 'StorageError' };
  const large = 'x'.repeat(11_000);
  const half = 'x'.repeat(6_000);
  await engine.set('a', 'x'.repeat(4_000));
  await engine.set('b', 'x'.repeat(4_000));
  await t.throwsAsync(engine.set('c', large), NO_SPACE);
  await t.throwsAsync(engine.compareAndSet('c', null, large), NO_SPACE);
  const halves = Object.entries({ c: half, d: half });
  await t.throwsAsync(engine.setMany(halves), NO_SPACE);
  t.throws(() => engine.setSync('c', large), NO_SPACE);
  t.deepEqual(await engine.keys(), ['a', 'b']);
  t.is((await engine.stats()).counters.evictions, 0);
  await engine.set('c', half);
  t.deepEqual(await engine.keys(), ['c']);
  t.is((await engine.stats()).counters.evictions, 2);
  await engine.disconnect();
});
