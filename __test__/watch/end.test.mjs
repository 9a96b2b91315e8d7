// The ends of watches, and calls of watch that are refused.
import { inspect } from 'node:util';
import test from 'ava';
import { ENGINE_NAMES, ENGINES } from '../helpers/engines.mjs';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { onEachWatched } from '../helpers/watching.mjs';

onEachWatched('return ends a watch, and the call that waits', async (t, engine) => {
  const left = engine.watch();
  const pending = left.next();
  await left.return();
  t.deepEqual(await pending, { done: true, value: undefined });
  t.deepEqual(await left.next(), { done: true, value: undefined });
});

onEachWatched('break ends a watch', async (t, engine) => {
  const broken = engine.watch();
  await broken.ready;
  await engine.set('a', 1);
  for await (const { key } of broken) {
    t.is(key, 'a');
    break;
  }
  t.deepEqual(await broken.next(), { done: true, value: undefined });
});

onEachWatched('throw of a watch rejects with what it was given', async (t, engine) => {
  await t.throwsAsync(engine.watch().throw(new Error('mine')), { message: 'mine' });
});

onEachWatched('disposal ends a watch', async (t, engine) => {
  const disposed = engine.watch();
  await disposed[Symbol.asyncDispose]();
  t.true((await disposed.next()).done);
});

onEachWatched('a signal ends a watch, and rejects the call that waits', async (t, engine) => {
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
});

onEachWatched('a signal that was aborted before begins no watch', async (t, engine) => {
  await t.throwsAsync(engine.watch('*', { signal: AbortSignal.abort() }).next(), { code: 'ABORTED' });
});

onEachWatched('a disconnect ends watches with CLOSED', async (t, engine) => {
  const [waiting, idle] = [engine.watch(), engine.watch()];
  await waiting.ready;
  const next = waiting.next();
  await engine.disconnect();
  await t.throwsAsync(next, { code: 'CLOSED' });
  t.true((await waiting.next()).done);
  await t.throwsAsync(idle.next(), { code: 'CLOSED' });
  t.is(engine.status, 'idle');
});

/** Runs loops over watches of `engine`: one that waits for an event, and one whose body is running. */
async function loopsOver(engine) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const told = { waiting: [], busy: [] };
  const follow = async (watch, keys, body) => {
    for await (const { key } of watch) {
      keys.push(key);
      await body?.();
    }
  };
  let entered;
  const inBody = new Promise((resolve) => (entered = resolve));
  const watches = [engine.watch(), engine.watch()];
  const loops = [
    follow(watches[0], told.waiting),
    follow(watches[1], told.busy, () => {
      entered();
      return released;
    }),
  ];
  await Promise.all(watches.map(({ ready }) => ready));
  await engine.set('a', 1);
  await engine.set('b', 2);
  await inBody;
  return { loops, told, release };
}

onEachWatched('a disconnect ends loops over watches, without an error', async (t, engine) => {
  const { loops, told, release } = await loopsOver(engine);
  await engine.disconnect();
  release();
  await Promise.all(loops);
  t.deepEqual(told.busy, ['a'], 'nothing is handed out any more');
});

onEachWatched('a disconnect ends a loop over a watch that has not begun', async (t, engine) => {
  await engine.disconnect();
  const loop = (async () => {
    for await (const event of engine.watch()) t.fail(`${event.key} was told`);
  })();
  await engine.disconnect();
  await loop;
  t.pass();
});

for (const name of ENGINE_NAMES) {
  test(`${name}: close ends loops over watches, without an error`, async (t) => {
    const config = await ENGINES[name].config(t);
    const storage = new StorageManager(name === 'custom' ? {} : { [name]: config });
    if (name === 'custom') storage.registerEngine('custom', config, { own: true });
    const { loops, release } = await loopsOver(storage.getEngine(name));
    const store = new KeyValueStore(storage.getEngine(name), 'p');
    const followed = (async () => {
      for await (const { key } of store.watch('*')) t.is(key, 'x');
    })();
    await store.set('x', 1);
    await storage.close();
    release();
    await Promise.all([...loops, followed]);
    const later = async () => {
      for await (const event of storage.getEngine(name).watch()) t.fail(`${event.key} was told`);
    };
    await t.throwsAsync(later, { code: 'CLOSED' }, 'a watch that begins behind the close');
  });

  test(`${name}: close ends a loop over a watch of an engine that was not used yet`, async (t) => {
    const config = await ENGINES[name].config(t);
    const storage = new StorageManager(name === 'custom' ? {} : { [name]: config });
    if (name === 'custom') storage.registerEngine('custom', config, { own: true });
    const loop = (async () => {
      for await (const event of storage.getEngine(name).watch()) t.fail(`${event.key} was told`);
    })();
    await storage.close();
    await loop;
    t.pass();
  });
}

test('a loop over a watch rejects with every other end', async (t) => {
  const controller = new AbortController();
  const storage = new StorageManager({ memory: {} });
  const loop = (async () => {
    for await (const event of storage.getEngine('memory').watch('*', { signal: controller.signal }))
      t.fail(`${event.key} was told`);
  })();
  controller.abort();
  await t.throwsAsync(loop, { code: 'ABORTED' });
  await storage.close();
});

onEachWatched('a watch after a disconnect connects again', async (t, engine) => {
  await engine.disconnect();
  const again = engine.watch();
  await again.ready;
  await engine.set('a', 1);
  t.is((await again.next()).value.key, 'a');
  await again.return();
});

test('close ends watches with CLOSED', async (t) => {
  const storage = new StorageManager({ memory: {} });
  const open = storage.getEngine('memory').watch();
  const next = open.next();
  await open.ready;
  await storage.close();
  await t.throwsAsync(next, { code: 'CLOSED' });
});

test('a watch of a closed engine is CLOSED', async (t) => {
  const storage = new StorageManager({ memory: {} });
  const engine = storage.getEngine('memory');
  await storage.close();
  await t.throwsAsync(engine.watch().next(), { code: 'CLOSED' });
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
