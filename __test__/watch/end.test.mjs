// The ends of watches, and calls of watch that are refused.
import { inspect } from 'node:util';
import test from 'ava';
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
