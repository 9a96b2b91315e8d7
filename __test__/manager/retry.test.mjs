import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { freshPrefix } from '../helpers/engines.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

test('a read that fails because the server is away is made again, and told', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const storage = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, keyPrefix: freshPrefix(), connectTimeout: 500, commandTimeout: 500 },
    retry: { attempts: 40, minDelay: 50, maxDelay: 200 },
  });
  t.teardown(() => storage.close());
  const engine = storage.getEngine();
  await engine.set('a', 1);
  const events = [];
  storage.on('retry', (event) => events.push(event));
  await server.stop();
  const read = engine.get('a');
  // The engine tries to connect for a while before a call fails.
  while (events.length === 0) await sleep(10);
  const again = await startRedis({ port: server.port });
  t.teardown(() => again.stop());
  t.is(await read, null, 'the new server has no data');
  t.like(events[0], { engine: 'redis', operation: 'get', attempt: 2 });
  t.true(events[0].error.retryable);
  t.true(events[0].delay >= 25 && events[0].delay <= 50);
  t.is((await engine.stats()).counters.retries, events.length);
});

/** A manager of a Redis server that went away once it was connected. */
async function abandoned(t) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const storage = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, connectTimeout: 200, commandTimeout: 200 },
    retry: { attempts: 2, minDelay: 1, maxDelay: 1 },
  });
  t.teardown(() => storage.close());
  await storage.getEngine().connect();
  await server.stop();
  return storage;
}

test('after the last attempt the error is the call’s', async (t) => {
  const storage = await abandoned(t);
  const operations = [];
  storage.on('retry', ({ operation }) => operations.push(operation));
  await t.throwsAsync(storage.getEngine().get('a'));
  t.deepEqual(operations, ['get']);
});

test('writes are not made again', async (t) => {
  const storage = await abandoned(t);
  const operations = [];
  storage.on('retry', ({ operation }) => operations.push(operation));
  await storage
    .getEngine()
    .get('a')
    .catch(() => {});
  await t.throwsAsync(storage.getEngine().increment('n'));
  t.deepEqual(operations, ['get']);
});

/** A manager of a Redis server that has gone, the events of its retries, and how to start the server again. */
async function unstarted(t) {
  const server = await startRedis();
  await server.stop();
  const storage = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, keyPrefix: freshPrefix(), connectTimeout: 200 },
    retry: { attempts: 40, minDelay: 20, maxDelay: 100 },
  });
  t.teardown(() => storage.close());
  const events = [];
  storage.on('retry', (event) => events.push(event));
  const start = async () => {
    const again = await startRedis({ port: server.port });
    t.teardown(() => again.stop());
  };
  return { storage, events, start };
}

test('connect does not wait for a server that is not there', async (t) => {
  const { storage, events } = await unstarted(t);
  await t.throwsAsync(storage.connect(), { code: 'CONNECTION' });
  t.deepEqual(events, []);
});

test('calls wait for a server that is not there yet, and keep their order', async (t) => {
  const { storage, events, start } = await unstarted(t);
  const engine = storage.getEngine();
  const calls = [engine.set('a', 1), engine.get('a'), engine.set('a', 2), engine.get('a')];
  while (events.length < 2) await sleep(5);
  await start();
  t.deepEqual(await Promise.all(calls), [undefined, 1, undefined, 2]);
  t.like(events[0], { engine: 'redis', operation: 'connect', attempt: 2 });
  t.is(events[0].error.code, 'CONNECTION');
  t.is((await engine.stats()).counters.retries, events.length);
});
