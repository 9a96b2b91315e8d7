import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import test from 'ava';
import { KeyValueStore, MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { onEachWatched, plain, take } from '../helpers/watching.mjs';

onEachWatched('a watch tells what was committed after its call, in order, a batch as one', async (t, engine) => {
  await engine.set('before', 0);
  const watch = engine.watch();
  await watch.ready;
  await engine.set('a', { n: 1 });
  await engine.batch([
    { type: 'set', key: 'b', value: [2] },
    { type: 'delete', key: 'before' },
    { type: 'set', key: 'c', value: null },
  ]);
  await engine.increment('n', 2.5);
  await engine.setMany([
    ['x', new Date(0)],
    ['y', Buffer.from('y')],
  ]);
  t.true(await engine.delete('a'));
  const events = await take(watch, 8);
  t.deepEqual(events.slice(0, 5).map(plain), [
    { type: 'set', key: 'a', value: { n: 1 } },
    { type: 'set', key: 'b', value: [2] },
    { type: 'delete', key: 'before' },
    { type: 'set', key: 'c', value: null },
    { type: 'set', key: 'n', value: 2.5 },
  ]);
  t.deepEqual([events[5].value, events[6].value], [new Date(0), Buffer.from('y')]);
  t.is(events[7].type, 'delete');
  const commits = events.map(({ commit }) => commit);
  t.deepEqual(
    commits.map((commit) => commits.indexOf(commit)),
    [0, 1, 1, 1, 4, 5, 5, 7],
    'one number a commit',
  );
  t.deepEqual(
    commits,
    commits.toSorted((a, b) => a - b),
  );
  if (events[4].version !== null) t.is(events[4].version, (await engine.getEntry('n')).version);
  await watch.return();
});

onEachWatched('a watch sees what comes between its call and the first next()', async (t, engine, { name }) => {
  const watch = engine.watch();
  if (name === 'redis') await watch.ready;
  await engine.set('a', 1);
  await engine.set('b', 2);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'a', value: 1 },
    { type: 'set', key: 'b', value: 2 },
  ]);
  await watch.return();
});

onEachWatched('only committed changes are told, of keys that match', async (t, engine) => {
  const watch = engine.watch('user:?:*');
  await watch.ready;
  await engine.set('text', 'x');
  await t.throwsAsync(engine.increment('text'), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(engine.set('user:1:a', 1, { ifVersion: 'ff' }));
  await engine.setMany([
    ['user:1:a', 1],
    ['user:12:a', 2],
    ['other', 3],
  ]);
  await engine.delete('user:9:absent');
  await engine.set('user:2:\u{1f600}', 4);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'user:1:a', value: 1 },
    { type: 'set', key: 'user:2:\u{1f600}', value: 4 },
  ]);
  await watch.return();
});

onEachWatched('a key-value store tells its own keys, without the prefix', async (t, engine) => {
  const settings = new KeyValueStore(engine, 'settings');
  const watch = settings.watch();
  const some = settings.watch('u[i]:*');
  await Promise.all([watch.ready, some.ready]);
  await engine.set('settingsx', 1);
  await settings.mset([
    ['theme', 'dark'],
    ['ui:size', 2],
  ]);
  await new KeyValueStore(engine, 'settings/nested').set('a', 3);
  t.deepEqual((await take(watch, 3)).map(plain), [
    { type: 'set', key: 'theme', value: 'dark' },
    { type: 'set', key: 'ui:size', value: 2 },
    { type: 'set', key: 'nested/a', value: 3 },
  ]);
  t.deepEqual((await take(some, 1)).map(plain), [{ type: 'set', key: 'ui:size', value: 2 }]);
  await watch.return();
  await some.return();
});

onEachWatched('clear is one event without a range where it leaves nothing', async (t, engine, { name }) => {
  const settings = new KeyValueStore(engine, 'settings');
  await settings.mset([
    ['a', 1],
    ['b', 2],
  ]);
  await engine.set('c', 3);
  const [all, own] = [engine.watch(), settings.watch()];
  await Promise.all([all.ready, own.ready]);
  await settings.clear();
  // An engine of a user's is told to delete key by key.
  const parts =
    name === 'javascript'
      ? [
          { type: 'delete', key: 'settings/a' },
          { type: 'delete', key: 'settings/b' },
        ]
      : [{ type: 'clear', range: { prefix: 'settings/' } }];
  t.deepEqual((await take(all, parts.length)).map(plain), parts);
  t.deepEqual(
    (await take(own, parts.length)).map(plain),
    name === 'javascript'
      ? [
          { type: 'delete', key: 'a' },
          { type: 'delete', key: 'b' },
        ]
      : [{ type: 'clear' }],
  );
  await settings.set('d', 4);
  await engine.clear();
  t.deepEqual((await take(all, 2)).map(plain), [{ type: 'set', key: 'settings/d', value: 4 }, { type: 'clear' }]);
  t.deepEqual((await take(own, 2)).map(plain), [{ type: 'set', key: 'd', value: 4 }, { type: 'clear' }]);
  await all.return();
  await own.return();
});

onEachWatched('a consumer that is too slow gets what fits, then NO_SPACE, and holds nobody up', async (t, engine) => {
  const watch = engine.watch('*', { maxQueue: 3 });
  await watch.ready;
  for (let n = 0; n < 20; n++) await engine.set('k', n);
  t.is(await engine.get('k'), 19);
  t.deepEqual(
    (await take(watch, 3)).map(({ value }) => value),
    [0, 1, 2],
  );
  const error = await t.throwsAsync(watch.next(), { code: 'NO_SPACE' });
  t.regex(error.message, /maxQueue/);
  t.is(error.operation, 'watch');
  t.deepEqual(await watch.next(), { done: true, value: undefined });
});

onEachWatched('leaving a watch ends it: by return, break, throw, disposal and signal', async (t, engine) => {
  const left = engine.watch();
  const pending = left.next();
  await left.return();
  t.deepEqual(await pending, { done: true, value: undefined });
  t.deepEqual(await left.next(), { done: true, value: undefined });

  const broken = engine.watch();
  await broken.ready;
  await engine.set('a', 1);
  for await (const { key } of broken) {
    t.is(key, 'a');
    break;
  }
  t.deepEqual(await broken.next(), { done: true, value: undefined });

  await t.throwsAsync(engine.watch().throw(new Error('mine')), { message: 'mine' });
  const disposed = engine.watch();
  await disposed[Symbol.asyncDispose]();
  t.true((await disposed.next()).done);

  const controller = new AbortController();
  const aborted = engine.watch('*', { signal: controller.signal });
  await aborted.ready;
  await engine.set('a', 2);
  const first = await aborted.next();
  t.is(first.value.value, 2);
  await engine.set('a', 3);
  const waiting = [aborted.next(), aborted.next()];
  t.is((await waiting[0]).value.value, 3);
  controller.abort(new Error('enough'));
  const error = await t.throwsAsync(waiting[1], { code: 'ABORTED', name: 'AbortError' });
  t.is(error.cause.message, 'enough');
  t.true((await aborted.next()).done);
  await t.throwsAsync(engine.watch('*', { signal: AbortSignal.abort() }).next(), { code: 'ABORTED' });
});

onEachWatched('a disconnect ends watches with CLOSED, and a new watch connects again', async (t, engine) => {
  const [waiting, idle] = [engine.watch(), engine.watch()];
  await waiting.ready;
  const next = waiting.next();
  await engine.disconnect();
  await t.throwsAsync(next, { code: 'CLOSED' });
  t.true((await waiting.next()).done);
  await t.throwsAsync(idle.next(), { code: 'CLOSED' });
  t.is(engine.status, 'idle');
  const again = engine.watch();
  await again.ready;
  await engine.set('a', 1);
  t.is((await again.next()).value.key, 'a');
  await again.return();
});

onEachWatched('arguments of watch are checked, and nothing is thrown', async (t, engine) => {
  for (const [pattern, options] of [
    [5],
    ['*', { since: -1 }],
    ['*', { since: 'x' }],
    ['*', { maxQueue: 0 }],
    ['*', { presistent: true }],
    ['*', 5],
  ]) {
    const watch = engine.watch(pattern, options);
    const error = await t.throwsAsync(watch.next(), { code: 'INVALID_ARGUMENT' }, inspect([pattern, options]));
    t.is(error.operation ?? 'watch', 'watch');
    await t.throwsAsync(watch.ready, { code: 'INVALID_ARGUMENT' });
  }
  await t.throwsAsync(engine.watch('\ud800').next(), { code: 'INVALID_KEY' });
  await t.throwsAsync(new KeyValueStore(engine, 'p').watch(5).next(), { code: 'INVALID_ARGUMENT' });
});

test('a watch of a closed engine, and of one that cannot be opened, rejects', async (t) => {
  const storage = new StorageManager({ memory: {}, file: { basePath: '/dev/null/nowhere' } });
  await t.throwsAsync(storage.getEngine('file').watch().next(), { message: /nowhere/ });
  const engine = storage.getEngine('memory');
  const open = engine.watch();
  const next = open.next();
  await open.ready;
  await storage.close();
  await t.throwsAsync(next, { code: 'CLOSED' });
  await t.throwsAsync(engine.watch().next(), { code: 'CLOSED' });
});

test('an expiry is no change', async (t) => {
  const engine = new MemoryStorage();
  await engine.connect();
  const watch = engine.watch();
  await engine.set('a', 1, { ttl: 1 });
  await delay(1500); // the sweep comes once a second
  await engine.set('b', 2);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'a', value: 1 },
    { type: 'set', key: 'b', value: 2 },
  ]);
  await engine.disconnect();
});

onEachWatched(
  'a transaction is one commit of a watch, and cannot be watched itself',
  async (t, engine) => {
    const storage = new StorageManager({ engines: { it: engine } });
    const watch = engine.watch();
    await watch.ready;
    const dropped = await storage.beginTransaction({ engine: 'it' });
    await dropped.set('never', 1);
    await dropped.rollback();
    await storage.transaction(
      async (tx) => {
        await tx.set('a', 1);
        await t.throwsAsync(new KeyValueStore(tx, 'p').watch().next(), { code: 'NOT_SUPPORTED' });
        await new KeyValueStore(tx, 'p').set('b', 2);
      },
      { engine: 'it' },
    );
    const events = await take(watch, 2);
    t.deepEqual(events.map(plain), [
      { type: 'set', key: 'a', value: 1 },
      { type: 'set', key: 'p/b', value: 2 },
    ]);
    t.is(events[0].commit, events[1].commit);
    await watch.return();
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);
