// Calls that a signal aborts.
import test from 'ava';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { folderOf, onEach } from '../helpers/engines.mjs';

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
  },
  ['memory', 'file', 'sqlite', 'leveldb', 'redis'],
);

onEach(
  'an abort after the end of a call changes nothing',
  async (t, engine) => {
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

test('the progress of a check that was aborted reaches no other call', async (t) => {
  const storage = new StorageManager({ sqlite: { path: `${folderOf(t)}/a.db`, durability: 'none' } });
  const engine = storage.getEngine('sqlite');
  await engine.setMany(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, index]));
  const controller = new AbortController();
  const checks = Array.from({ length: 5 }, () => engine.verify({ signal: controller.signal, onProgress() {} }));
  controller.abort();
  for (const check of checks) await t.throwsAsync(check, { code: 'ABORTED' });
  // These take the ids that the checks had, while the checks go on.
  for (let round = 0; round < 25; round++) {
    t.deepEqual(await Promise.all(Array.from({ length: 10 }, () => engine.count())), Array(10).fill(50_000));
  }
  await storage.close();
});
