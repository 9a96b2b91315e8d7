// The ends of a consumer, and its pauses.
import { inspect } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { managerOf, noting, onEachConsumed, until } from '../helpers/consuming.mjs';
import { RedisStorage, StorageManager } from '../helpers/entry.mjs';
import { program } from '../helpers/program.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

const CONSUME_UNHELD = new URL('programs/consume-unheld.mjs', import.meta.url);
const CONSUME_HELD = new URL('programs/consume-held.mjs', import.meta.url);

/** A consumer whose handler for the key `slow` runs until it is released. */
async function busy(storage, options, more) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const signals = [];
  const noted = noting(storage, 'c', '*', options, async ([{ key }], { signal }) => {
    signals.push(signal);
    if (key !== 'slow') return;
    await released;
    await more?.();
  });
  await noted.consumer.ready;
  await storage.getEngine().set('slow', 1);
  await until(() => noted.calls.length === 1);
  return { ...noted, release, signals };
}

/** The keys that the name gets next. */
async function next(storage) {
  await storage.getEngine().set('marker', 1);
  const { consumer, calls } = noting(storage, 'c', '*');
  await until(() => calls.flat().includes('marker'));
  await consumer.stop();
  return calls.flat();
}

onEachConsumed('stop waits for the running handler, and frees the name', async (t, storage, { engine }) => {
  const { consumer, calls, release, signals } = await busy(storage);
  await engine.set('later', 1);
  let stopped = false;
  const stopping = consumer.stop().then(() => (stopped = true));
  t.true(signals[0].aborted);
  await engine.get('a');
  t.false(stopped);
  release();
  await stopping;
  await consumer.done;
  t.is(consumer.state, 'stopped');
  t.deepEqual(calls, [['slow']]);
  t.deepEqual(await next(storage), ['later', 'marker']);
});

onEachConsumed('close lets the running handler finish with its engine', async (t, storage, { name, open, engine }) => {
  const { consumer, release } = await busy(storage, {}, () => engine.set('done', true));
  const closing = storage.close();
  t.throws(() => storage.consume('d', '*', () => {}), { code: 'CLOSED' });
  release();
  await closing;
  await consumer.done;
  await t.throwsAsync(engine.get('a'), { code: 'CLOSED' });
  if (name === 'memory') return;
  const again = open();
  t.true(await again.getEngine().get('done'));
  t.deepEqual(await next(again), ['done', 'marker']);
});

onEachConsumed('a disconnect ends a consumer', async (t, storage, { engine }) => {
  const { consumer, release } = await busy(storage);
  const disconnecting = engine.disconnect();
  release();
  await disconnecting;
  await consumer.done;
  t.is(consumer.state, 'stopped');
  t.is(engine.status, 'idle');
  t.deepEqual(await next(storage), ['marker']);
});

onEachConsumed('close ends idle consumers at once', async (t, storage, { engine }) => {
  const { consumer } = noting(storage, 'c', '*');
  await consumer.ready;
  const closing = storage.close();
  await t.throwsAsync(engine.get('a'), { code: 'CLOSED' });
  await closing;
  await consumer.done;
});

for (const how of ['stop', 'close', 'disconnect']) {
  test(`a handler that waits for ${how} is given up after the grace`, async (t) => {
    const { storage } = await managerOf(t, 'memory');
    const engine = storage.getEngine();
    let ended;
    const consumer = storage.consume(
      'c',
      '*',
      () => (ended ??= how === 'stop' ? consumer.stop() : how === 'close' ? storage.close() : engine.disconnect()),
      { grace: 50 },
    );
    await consumer.ready;
    await engine.set('a', 1);
    await consumer.done;
    await ended;
    t.is(consumer.state, 'stopped');
  });
}

test('the events of a handler that was given up are handed over again', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const { consumer, release } = await busy(storage, { grace: 0 });
  await consumer.stop();
  release();
  t.deepEqual(await next(storage), ['slow', 'marker']);
});

onEachConsumed('nothing is handed over while a consumer is paused', async (t, storage, { engine }) => {
  const { consumer, calls, release } = await busy(storage);
  consumer.pause();
  t.is(consumer.state, 'running', 'a running handler finishes');
  release();
  await until(() => consumer.state === 'paused');
  t.is((await consumer.stats()).commits, 1);
  await engine.set('a', 1);
  await engine.set('b', 1);
  await delay(100);
  t.deepEqual(calls, [['slow']]);
  t.is((await consumer.stats()).state, 'paused');
  consumer.resume();
  await until(() => calls.length === 3);
  t.deepEqual(calls, [['slow'], ['a'], ['b']]);
  consumer.pause();
  await engine.set('c', 1);
  await consumer.stop();
  t.deepEqual(await next(storage), ['c', 'marker']);
});

test('a signal stops a consumer', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const controller = new AbortController();
  const { consumer } = noting(storage, 'c', '*', { signal: controller.signal });
  await consumer.ready;
  controller.abort();
  await consumer.done;
  t.is(consumer.state, 'stopped');
  const never = noting(storage, 'c', '*', { signal: AbortSignal.abort() }).consumer;
  await t.throwsAsync(never.ready, { code: 'ABORTED' });
  await never.done;
});

test('a consumer that is stopped before it is at work is not ready', async (t) => {
  const { storage } = await managerOf(t, 'memory');
  const { consumer } = noting(storage, 'c', '*');
  await consumer.stop();
  await t.throwsAsync(consumer.ready, { code: 'CLOSED' });
  await consumer.done;
  t.regex(inspect(consumer), /^Consumer { name: 'c', state: 'stopped' }$/);
});

test('a consumer of an engine that cannot be opened tries again until it is stopped', async (t) => {
  const storage = new StorageManager({ redis: { port: 1, connectTimeout: 200 }, retry: { attempts: 1 } });
  const retries = [];
  storage.on('retry', ({ operation }) => retries.push(operation));
  const { consumer } = noting(storage, 'c', '*', { engine: 'redis', retry: { minDelay: 1, maxDelay: 5 } });
  await until(() => retries.filter((operation) => operation === 'consume').length === 3);
  t.is(consumer.state, 'retrying');
  t.is((await consumer.stats()).error.code, 'CONNECTION');
  await consumer.stop();
  await consumer.done;
  await storage.close();
});

test('redis: a consumer goes on after a lost connection', async (t) => {
  const server = await startRedis();
  t.teardown(server.stop);
  const storage = new StorageManager({ defaultEngine: 'redis', redis: { url: server.url } });
  t.teardown(() => storage.close());
  const writer = new RedisStorage({ url: server.url, keyPrefix: '' });
  const { consumer, calls } = noting(storage, 'c', '*', { retry: { minDelay: 1, maxDelay: 5 } });
  await consumer.ready;
  for (let n = 0; n < 5; n++) {
    await server.closeClients();
    await until(() =>
      writer.set(`k${n}`, n).then(
        () => true,
        () => false,
      ),
    );
    await until(() => calls.flat().includes(`k${n}`));
  }
  const keys = calls.flat();
  t.deepEqual([...new Set(keys)], ['k0', 'k1', 'k2', 'k3', 'k4']);
  t.is(consumer.state, 'running');
  await writer.disconnect();
});

test('a consumer keeps the process alive', async (t) => {
  t.deepEqual(await program(CONSUME_HELD), ['a']);
});

test('a consumer with persistent: false does not keep the process alive', async (t) => {
  t.deepEqual(await program(CONSUME_UNHELD), ['ready']);
});

onEachConsumed('stats tells the lag', async (t, storage, { engine }) => {
  const { consumer, release } = await busy(storage);
  for (let n = 0; n < 4; n++) await engine.set('k', n);
  const { commit } = await engine.stats();
  await until(async () => (await consumer.stats()).lag >= 5);
  const busyStats = await consumer.stats();
  t.deepEqual([busyStats.state, busyStats.attempt, busyStats.commits, busyStats.error], ['running', 1, 0, null]);
  t.true(Number(busyStats.cursor) < commit);
  release();
  await until(async () => (await consumer.stats()).lag === 0);
  const { attempt, commits, events } = await consumer.stats();
  t.deepEqual([attempt, commits, events], [0, 5, 5]);
  await consumer.stop();
  t.is((await consumer.stats()).lag, null);
});
