// Changes that the change log has no more.
import test from 'ava';
import { managerOf, noting, onEachConsumed, until } from '../helpers/consuming.mjs';

/** A name whose cursor lies before what the log reaches back to. */
async function left(storage, name) {
  const engine = storage.getEngine();
  const { consumer, calls } = noting(storage, 'c', 'k*');
  await consumer.ready;
  await engine.set('k', 'first');
  await until(() => calls.length === 1);
  await consumer.stop();
  const { commit } = await engine.stats();
  if (name === 'redis') {
    // The server keeps a number of commits.
    for (let n = 0; n < 80; n++) await Promise.all(Array.from({ length: 1000 }, () => engine.set('k', 'lost')));
  } else {
    // The others keep a number of bytes, too.
    const long = 'k'.repeat(4000);
    const keys = Array.from({ length: 1000 }, (_, n) => [`${long}${n}`, 0]);
    for (let n = 0; n < 8; n++) await engine.setMany(keys);
    await engine.set('k', 'lost');
  }
  await until(async () => (await engine.stats()).logFloor > commit);
  return engine;
}

onEachConsumed('a gap ends a consumer without onGap, again and again', async (t, storage, { name }) => {
  const engine = await left(storage, name);
  for (let start = 0; start < 2; start++) {
    const { consumer } = noting(storage, 'c', 'k*', { from: 'now' });
    const error = await t.throwsAsync(consumer.done, { code: 'PRECONDITION_FAILED', message: /onGap/ });
    t.is(error.engine, engine.name);
    t.is(error.cause.code, 'PRECONDITION_FAILED');
    await t.throwsAsync(consumer.ready, { code: 'PRECONDITION_FAILED' });
  }
});

onEachConsumed('onGap reads the store anew, and what changes meanwhile is told', async (t, storage, { name }) => {
  const engine = await left(storage, name);
  const gaps = [];
  let failed = false;
  const onGap = async ({ cursor, signal }) => {
    if (!failed) {
      failed = true;
      throw new Error('it is made again');
    }
    gaps.push([typeof cursor, signal.aborted, await engine.get('k')]);
    await engine.set('k2', 'meanwhile');
  };
  const { consumer, calls } = noting(storage, 'c', 'k?', { onGap, retry: { minDelay: 1 } });
  await consumer.ready;
  await engine.set('k3', 'later');
  await until(() => calls.length === 2);
  t.deepEqual(gaps, [['string', false, 'lost']]);
  t.deepEqual(calls, [['k2'], ['k3']]);
  await consumer.stop();
  const next = noting(storage, 'c', 'k?', { onGap: () => t.fail('the gap is closed') });
  await next.consumer.ready;
});

test('an idle consumer passes what it does not match, so that it finds no gap', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const engine = storage.getEngine();
  const { consumer } = noting(storage, 'c', 'rare', { sessionTimeout: 1000 });
  await consumer.ready;
  const before = (await consumer.stats()).cursor;
  await engine.set('common', 1);
  t.is((await consumer.stats()).lag, 0, 'nothing is left to do');
  await until(async () => (await consumer.stats()).cursor !== before);
  // The log keeps the latest 65,536 commits: it must not lose any before the consumer has passed them.
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 40_000; n++) engine.setSync('common', n);
    const { commit } = await engine.stats();
    await until(async () => Number((await consumer.stats()).cursor) >= commit);
  }
  engine.setSync('common', 0);
  await consumer.stop(); // it passes the last one now
  await until(async () => (await engine.stats()).logFloor > Number(before));
  const again = noting(storage, 'c', 'rare');
  await again.consumer.ready;
  await engine.set('rare', 1);
  await until(() => again.calls.length === 1);
});
