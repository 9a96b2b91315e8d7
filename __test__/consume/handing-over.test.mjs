// What a consumer hands over, and where it goes on.
import { inspect } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { managerOf, noting, onEachConsumed, until } from '../helpers/consuming.mjs';
import { BareEngine, FullEngine } from '../helpers/map-engine.mjs';

const set = (...keys) => keys.map((key) => ({ type: 'set', key, value: key }));

onEachConsumed('commits are handed over whole and in order, one at a time', async (t, storage, { engine }) => {
  let running = 0;
  const contexts = [];
  const { consumer, calls } = noting(storage, 'c', 'k*', {}, async (events, context) => {
    t.is(++running, 1);
    contexts.push(context);
    await delay(2);
    running--;
  });
  await consumer.ready;
  await engine.batch(set('k1', 'other', 'k2'));
  await engine.set('other', 1);
  await engine.delete('k1');
  await storage.transaction(async (tx) => {
    await tx.set('k3', 3);
    await tx.set('k4', 4);
  });
  await until(() => calls.length === 3);
  t.deepEqual(calls, [['k1', 'k2'], ['k1'], ['k3', 'k4']]);
  t.deepEqual(
    contexts.map(({ consumer: name, attempt, signal }) => [name, attempt, signal.aborted]),
    Array.from({ length: 3 }, () => ['c', 1, false]),
  );
  t.is(new Set(contexts.map(({ cursor }) => cursor)).size, 3);
});

onEachConsumed('a change that is requested right behind consume() is handed over', async (t, storage, { open }) => {
  for (let round = 0; round < 5; round++) {
    const fresh = open();
    const { calls } = noting(fresh, `c${round}`, 'k*');
    await fresh.getEngine().set(`k${round}`, round);
    await until(() => calls.length === 1);
    t.deepEqual(calls, [[`k${round}`]]);
    await fresh.close();
  }
});

onEachConsumed('a name goes on where it was, whatever was changed meanwhile', async (t, storage, { name, open }) => {
  const first = noting(storage, 'c', 'k*');
  await first.consumer.ready;
  await storage.getEngine().set('k1', 1);
  await until(() => first.calls.length === 1);
  await first.consumer.stop();
  t.is(first.consumer.state, 'stopped');
  await storage.getEngine().setMany([
    ['k2', 2],
    ['k3', 3],
  ]);
  if (name !== 'memory') await storage.close();
  const again = name === 'memory' ? storage : open();
  const second = noting(again, 'c', 'k*', { from: 'earliest' });
  await again.getEngine().set('k4', 4);
  await until(() => second.calls.length === 2);
  t.deepEqual(second.calls, [['k2', 'k3'], ['k4']]);
  t.deepEqual(first.calls, [['k1']]);
});

onEachConsumed('names have cursors of their own', async (t, storage, { engine }) => {
  const one = noting(storage, 'one', '*');
  await one.consumer.ready;
  await engine.set('a', 1);
  await until(() => one.calls.length === 1);
  const two = noting(storage, 'two', '*');
  await two.consumer.ready;
  await engine.set('b', 1);
  await until(() => one.calls.length === 2 && two.calls.length === 1);
  t.deepEqual([one.calls, two.calls], [[['a'], ['b']], [['b']]]);
});

onEachConsumed('from begins where it says, but only without a cursor', async (t, storage, { engine }) => {
  const { commit } = await engine.stats();
  const watch = engine.watch('*', { since: commit });
  await watch.ready; // the log is on
  await engine.batch(set('a', 'b', 'c'));
  const { value: a } = await watch.next();
  await watch.return();
  const begin = async (name, from) => {
    const { consumer, calls } = noting(storage, name, '*', { from });
    await until(() => calls.length === 1);
    await consumer.stop();
    return calls[0];
  };
  t.deepEqual(await begin('1', 'earliest'), ['a', 'b', 'c']);
  t.deepEqual(await begin('2', a.cursor), ['b', 'c']);
  t.deepEqual(await begin('3', commit), ['a', 'b', 'c']);
  await engine.set('d', 1);
  t.deepEqual(await begin('1', 'earliest'), ['d']);
});

onEachConsumed('a batch has what is there, up to its size, in whole commits', async (t, storage, { engine }) => {
  await noting(storage, 'c', '*').consumer.stop();
  const { consumer } = noting(storage, 'c', '*');
  await consumer.ready;
  await consumer.stop();
  for (let n = 0; n < 7; n++) await engine.batch(set(`a${n}`, `b${n}`));
  const { calls } = noting(storage, 'c', '*', { batchSize: 5 });
  await until(() => calls.flat().length === 14);
  t.deepEqual(calls.flat(), Array.from({ length: 7 }, (_, n) => [`a${n}`, `b${n}`]).flat());
  t.true(calls.every((keys) => keys.length % 2 === 0 && keys.length <= 10));
  t.is(calls[0].length, 10);
});

onEachConsumed('a slow handler misses nothing', async (t, storage, { engine, name }) => {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const { calls, consumer } = noting(storage, 'c', 'k', { batchSize: 10_000 }, () => released);
  await consumer.ready;
  // More than the watch of a consumer holds: 16 MiB.
  const value = 'x'.repeat(1 << 20);
  for (let n = 0; n < 40; n++) await engine.set('k', name === 'redis' ? n : value + n);
  release();
  await until(() => calls.flat().length === 40);
  t.is(consumer.state, 'running');
});

onEachConsumed('forget lets a name begin anew', async (t, storage, { engine }) => {
  const first = noting(storage, 'c', '*');
  await first.consumer.ready;
  await engine.set('a', 1);
  await until(() => first.calls.length === 1);
  await first.consumer.forget();
  await engine.set('b', 1);
  const second = noting(storage, 'c', '*');
  await second.consumer.ready;
  await engine.set('c', 1);
  await until(() => second.calls.length === 1);
  t.deepEqual(second.calls, [['c']]);
  await t.throwsAsync(first.consumer.forget(), { code: 'LOCKED' });
});

onEachConsumed('what a consumer keeps is no key of the user, and outlives clear', async (t, storage, { engine }) => {
  const first = noting(storage, 'c', 'k*');
  await first.consumer.ready;
  await engine.set('k1', 1);
  await until(() => first.calls.length === 1);
  t.deepEqual(await engine.keys(), ['k1']);
  await engine.clear();
  await until(() => first.calls.length === 2);
  await first.consumer.stop();
  t.is(await engine.count(), 0);
  await engine.set('k2', 1);
  const second = noting(storage, 'c', 'k*');
  await until(() => second.calls.length === 1);
  t.deepEqual([first.calls, second.calls], [[['k1'], [undefined]], [['k2']]]);
});

for (const Engine of [BareEngine, FullEngine]) {
  test(`${Engine.name}: a custom engine cannot be consumed`, async (t) => {
    const storage = new StorageManager({ engines: { mine: new Engine() } });
    const consumer = storage.consume('c', '*', () => {}, { engine: 'mine' });
    await t.throwsAsync(consumer.ready, { code: 'NOT_SUPPORTED', message: /watch/ });
    await t.throwsAsync(consumer.done, { code: 'NOT_SUPPORTED' });
    t.is(consumer.state, 'failed');
    await storage.close();
  });
}

test('arguments of consume are checked', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const run = () => {};
  for (const given of [
    [],
    ['', '*', run],
    [5, '*', run],
    ['x'.repeat(201), '*', run],
    ['\ud800', '*', run],
    ['c', 5, run],
    ['c', undefined, run],
    ['c', '*'],
    ['c', '*', {}],
    ['c', '*', run, 5],
    ['c', '*', run, { form: 'now' }],
    ['c', '*', run, { from: 'then' }],
    ['c', '*', run, { from: -1 }],
    ['c', '*', run, { batchSize: 0 }],
    ['c', '*', run, { retry: { tries: 1 } }],
    ['c', '*', run, { onError: 'skip' }],
    ['c', '*', run, { sessionTimeout: 10 }],
    ['c', '*', run, { signal: {} }],
  ])
    t.throws(() => storage.consume(...given), { code: 'INVALID_ARGUMENT' }, inspect(given));
  t.throws(() => storage.consume('c', '*', run, { engine: 'nowhere' }), { code: 'ENGINE_NOT_FOUND' });
  await storage.close();
  t.throws(() => storage.consume('c', '*', run), { code: 'CLOSED' });
});

onEachConsumed('from must be a place that the store has', async (t, storage, { engine }) => {
  for (let n = 0; n < 5; n++) await engine.set('n', n);
  for (const [from, code] of [
    [2 ** 52, 'INVALID_ARGUMENT'],
    [0, 'PRECONDITION_FAILED'],
  ]) {
    const onGap = () => t.fail('a wrong place is no gap');
    const wrong = storage.consume('c', '*', () => {}, { from, onGap });
    await t.throwsAsync(wrong.ready, { code });
    await t.throwsAsync(wrong.done, { code });
  }
  const right = noting(storage, 'c', '*'); // the wrong place was not kept
  await right.consumer.ready;
  await engine.set('n', 5);
  await until(() => right.calls.length === 1);
});
