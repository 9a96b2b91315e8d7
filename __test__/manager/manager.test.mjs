import test from 'ava';
import { MemoryStorage, StorageManager, isStorageError } from '../helpers/entry.mjs';
import { folderOf, onEach } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

onEach(
  'an aborted signal gives a call up with an AbortError',
  async (t, engine) => {
    const reason = new Error('enough');
    const aborted = AbortSignal.abort(reason);
    for (const call of [
      () => engine.set('a', 1, { signal: aborted }),
      () => engine.setMany([['a', 1]], { signal: aborted }),
      () => engine.batch([{ type: 'set', key: 'a', value: 1 }], { signal: aborted }),
      () => engine.compareAndSet('a', null, 1, { signal: aborted }),
      () => engine.increment('a', 1, { signal: aborted }),
      () => engine.verify({ signal: aborted }),
    ]) {
      const error = await t.throwsAsync(call(), { code: 'ABORTED', name: 'AbortError' });
      t.is(error.cause, reason);
    }
    t.false(await engine.has('a'));
    const controller = new AbortController();
    await engine.set('a', 1, { signal: controller.signal });
    controller.abort();
    t.is(await engine.get('a'), 1, 'an abort after the end changes nothing');
  },
  ['memory', 'file', 'sqlite', 'leveldb', 'redis'],
);

test('a call aborted while it waits for the connection never starts', async (t) => {
  const engine = new MemoryStorage();
  const controller = new AbortController();
  const write = engine.set('a', 1, { signal: controller.signal });
  controller.abort();
  await t.throwsAsync(write, { code: 'ABORTED' });
  t.is(await engine.get('a'), null);
});

test.serial('one signal serves any number of calls without a warning of a leak', async (t) => {
  const warnings = [];
  const onWarning = (warning) => warnings.push(warning.name);
  process.on('warning', onWarning);
  t.teardown(() => process.off('warning', onWarning));
  const engine = new MemoryStorage();
  const controller = new AbortController();
  const writes = (from) =>
    Array.from({ length: 50 }, (_, index) => engine.set(`k${from + index}`, index, { signal: controller.signal }));
  await Promise.all(writes(0));
  await engine.disconnect();
  const late = writes(50);
  controller.abort();
  for (const { reason } of await Promise.allSettled(late)) t.is(reason?.code, 'ABORTED');
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(warnings, []);
});

test('an abort of a call under way rejects it at once, and the engine goes on', async (t) => {
  const engine = new StorageManager({ sqlite: { path: `${folderOf(t)}/a.db` } }).getEngine('sqlite');
  await engine.connect();
  const controller = new AbortController();
  const writes = Array.from({ length: 50 }, (_, index) =>
    engine.set(`k${index}`, index, { signal: controller.signal }),
  );
  controller.abort();
  const results = await Promise.allSettled(writes);
  for (const { status, reason } of results) if (status === 'rejected') t.is(reason.code, 'ABORTED');
  await engine.set('after', 1);
  t.is(await engine.get('after'), 1);
  await engine.disconnect();
});

onEach('verify finds nothing wrong, stats count, compact works', async (t, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
  ]);
  const report = await engine.verify({
    repair: false,
    onProgress() {
      throw new Error('ignored');
    },
  });
  t.deepEqual([report.ok, report.errors], [true, []]);
  t.true(report.checked >= 2);
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
  await engine.compact();
  t.is(await engine.get('a'), 1);
});

onEach(
  'what happens is counted',
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

test('copy takes records over with expiry and metadata', async (t) => {
  const storage = new StorageManager({
    sqlite: { path: `${folderOf(t)}/a.db`, durability: 'none' },
    defaultEngine: 'memory',
  });
  const [from, to] = [storage.getEngine('memory'), storage.getEngine('sqlite')];
  const expiresAt = Date.now() + 60_000;
  await from.set('a/1', Buffer.from([1]), { expiresAt, metadata: { m: 1n } });
  await from.setMany(Array.from({ length: 700 }, (_, index) => [`b/${index}`, index]));
  await to.set('b/5', 'mine');
  const progress = [];
  t.deepEqual(
    await storage.copy({
      from: 'memory',
      to,
      prefix: 'b/',
      overwrite: false,
      onProgress: (p) => progress.push(p.done),
    }),
    { copied: 699, skipped: 1 },
  );
  t.is(await to.get('b/5'), 'mine');
  t.is(progress.at(-1), 700);
  t.deepEqual(await storage.copy({ from, to: 'sqlite' }), { copied: 701, skipped: 0 });
  t.is(await to.get('b/5'), 5);
  const entry = await to.getEntry('a/1');
  t.like(entry, { expiresAt });
  t.deepEqual([entry.value, entry.metadata], [Buffer.from([1]), { m: 1n }]);
  t.deepEqual(await storage.copy({ from: 'memory', to: new BareEngine(), prefix: 'b/' }), { copied: 700, skipped: 0 });
  await t.throwsAsync(storage.copy({ from: 'memory', to: 'sqlite', signal: AbortSignal.abort() }), { code: 'ABORTED' });
  await t.throwsAsync(storage.copy({ from: 'memory' }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(storage.copy({ from: 'memory', to: 'none' }), { code: 'ENGINE_NOT_FOUND' });
  await storage.close();
});

test('stats and verify answer for every engine', async (t) => {
  const storage = new StorageManager({ engines: { mine: new BareEngine() } });
  await storage.getEngine('memory').set('a', 1);
  const stats = await storage.stats();
  t.deepEqual(Object.keys(stats).sort(), ['memory', 'mine', 'transactions']);
  t.is(stats.memory.keys, 1);
  t.is(stats.memory.counters.commits, 1);
  t.true(Object.values(stats.mine.counters).every((count) => count === null));
  t.true((await storage.verify()).mine.ok);
  await storage.close();
});

test('an engine that cannot connect is told to listeners, and without one nothing is thrown', async (t) => {
  const file = `${folderOf(t)}/file`;
  const { writeFileSync } = await import('node:fs');
  writeFileSync(file, 'not a folder');
  const storage = new StorageManager({ leveldb: { path: `${file}/x` }, defaultEngine: 'leveldb' });
  const rejected = await t.throwsAsync(storage.getEngine().get('a'));
  t.true(isStorageError(rejected));
  const heard = [];
  storage.on('error', (error, engine) => heard.push([error, engine]));
  const error = await t.throwsAsync(storage.getEngine().get('a'));
  t.deepEqual(heard, [[error, 'leveldb']]);
  t.like(error, { engine: 'leveldb', operation: 'connect' });
  await t.throwsAsync(storage.connect());
  await storage.close();
});

test('a reconnection is told', async (t) => {
  const storage = new StorageManager({ sqlite: { path: `${folderOf(t)}/a.db` } });
  const heard = [];
  storage.on('reconnect', (engine) => heard.push(engine));
  const engine = storage.getEngine('sqlite');
  await engine.set('a', 1);
  t.deepEqual(heard, []);
  await engine.disconnect();
  await engine.get('a');
  t.deepEqual(heard, ['sqlite']);
  await storage.close();
});

test('a replaced engine of the manager is closed', async (t) => {
  const storage = new StorageManager();
  const first = storage.getEngine('memory');
  const second = new MemoryStorage();
  t.is(storage.registerEngine('memory', second), storage);
  t.is(storage.getEngine('memory'), second);
  await t.throwsAsync(first.get('a'), { code: 'CLOSED' });
  await storage.close();
  t.is(await second.get('a'), null, 'a given one stays open');
});
