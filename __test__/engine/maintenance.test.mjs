// verify, stats and compact of each engine.
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
