// What becomes of events whose handler fails.
import { inspect } from 'node:util';
import test from 'ava';
import { managerOf, noting, onEachConsumed, until } from '../helpers/consuming.mjs';
import { program } from '../helpers/program.mjs';

const FAST = { minDelay: 1, maxDelay: 5 };
const THROWING_ON_ERROR = new URL('programs/throwing-on-error.mjs', import.meta.url);

/** A handler that fails for the key `bad` the first `times` times. */
function failing(times) {
  const attempts = [];
  return {
    attempts,
    handler: ([{ key }], { attempt }) => {
      if (key !== 'bad') return;
      attempts.push(attempt);
      if (attempts.length <= times) throw new Error(`failure ${attempts.length}`);
    },
  };
}

onEachConsumed('a failed call is made again, and later commits wait', async (t, storage, { engine }) => {
  const errors = [];
  storage.on('error', (error, name) => errors.push([error.message, name]));
  const { handler, attempts } = failing(3);
  const { consumer, calls } = noting(storage, 'c', '*', { retry: FAST }, handler);
  await consumer.ready;
  for (const key of ['a', 'bad', 'b']) await engine.set(key, 1);
  await until(() => calls.length === 6);
  t.deepEqual(calls, [['a'], ['bad'], ['bad'], ['bad'], ['bad'], ['b']]);
  t.deepEqual(attempts, [1, 2, 3, 4]);
  t.deepEqual(
    errors,
    [1, 2, 3].map((n) => [`failure ${n}`, engine.name]),
  );
  await until(async () => (await consumer.stats()).commits === 3);
  const { state, failures, error, events } = await consumer.stats();
  t.deepEqual([state, failures, error.message, events], ['running', 3, 'failure 3', 3]);
});

test('a handler that throws at once, and one that rejects with nothing, fail alike', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const failures = [];
  let call = 0;
  const consumer = storage.consume(
    'c',
    '*',
    () => {
      if (call++ === 0) throw new TypeError('at once');
      if (call === 2) return Promise.reject();
    },
    { retry: FAST, onError: (error) => void failures.push(error) },
  );
  await storage.getEngine().set('a', 1);
  await until(async () => (await consumer.stats()).commits === 1);
  t.deepEqual([failures[0].message, failures[1], failures.length], ['at once', undefined, 2]);
});

onEachConsumed('onError may skip', async (t, storage, { engine }) => {
  const told = [];
  const onError = (error, { events, attempt, cursor }) => {
    told.push([error.message, events[0].key, attempt, cursor === events[0].cursor]);
    return attempt < 2 ? undefined : Promise.resolve('skip');
  };
  const { handler } = failing(Infinity);
  const { consumer, calls } = noting(storage, 'c', '*', { retry: FAST, onError }, handler);
  await consumer.ready;
  await engine.set('bad', 1);
  await engine.set('b', 1);
  await until(() => calls.length === 3);
  t.deepEqual(calls, [['bad'], ['bad'], ['b']]);
  t.deepEqual(told, [
    ['failure 1', 'bad', 1, true],
    ['failure 2', 'bad', 2, true],
  ]);
});

for (const [title, options] of [
  ['onError may stop', { onError: (_, { attempt }) => (attempt === 2 ? 'stop' : 'retry') }],
  ['no more attempts than retry says are made', { retry: { ...FAST, attempts: 2 } }],
]) {
  onEachConsumed(`${title}, and the events stay`, async (t, storage, { engine }) => {
    const errors = [];
    storage.on('error', (error) => errors.push(error.message));
    const { handler } = failing(2);
    const { consumer, calls } = noting(storage, 'c', '*', { retry: FAST, ...options }, handler);
    await consumer.ready;
    await engine.set('bad', 1);
    await t.throwsAsync(consumer.done, { message: 'failure 2' });
    t.is(consumer.state, 'failed');
    t.is(errors.at(-1), 'failure 2');
    await consumer.stop();
    const again = noting(storage, 'c', '*');
    await until(() => again.calls.length === 1);
    t.deepEqual([...calls, ...again.calls], [['bad'], ['bad'], ['bad']]);
  });
}

test('what onError throws or returns wrongly is thrown apart, and counts as retry', async (t) => {
  for (const wrong of ['throw', 'return']) {
    const [{ uncaught, calls }] = await program(THROWING_ON_ERROR, { wrong });
    t.deepEqual(calls, [1, 2], wrong);
    t.deepEqual(uncaught, [wrong === 'throw' ? 'mine' : 'INVALID_ARGUMENT'], inspect(wrong));
  }
});

test('a failing handler can be stopped while it waits', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const { consumer } = noting(storage, 'c', '*', { retry: { minDelay: 2 ** 30, maxDelay: 2 ** 30 } }, () => {
    throw new Error('mine');
  });
  await storage.getEngine().set('a', 1);
  await until(() => consumer.state === 'retrying');
  await consumer.stop();
  await consumer.done;
  const again = noting(storage, 'c', '*');
  await until(() => again.calls.length === 1);
  t.deepEqual(again.calls, [['a']]);
});
