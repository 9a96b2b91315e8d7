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
  // The engine itself tries to connect for a while before it gives a call up.
  while (events.length === 0) await sleep(10);
  const again = await startRedis({ port: server.port });
  t.teardown(() => again.stop());
  t.is(await read, null, 'the new server has no data');
  t.like(events[0], { engine: 'redis', operation: 'get', attempt: 2 });
  t.true(events[0].error.retryable);
  t.true(events[0].delay >= 25 && events[0].delay <= 50);
  t.is((await engine.stats()).counters.retries, events.length);
});

test('after the last attempt the error is the call’s, and writes are not made again', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const storage = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, connectTimeout: 200, commandTimeout: 200 },
    retry: { attempts: 2, minDelay: 1, maxDelay: 1 },
  });
  t.teardown(() => storage.close());
  const engine = storage.getEngine();
  await engine.connect();
  const operations = [];
  storage.on('retry', ({ operation }) => operations.push(operation));
  await server.stop();
  await t.throwsAsync(engine.get('a'));
  await t.throwsAsync(engine.increment('n'));
  t.deepEqual(operations, ['get']);
});

test('a server that is not there yet is tried again for the calls that wait, which keep their order; connect tells at once', async (t) => {
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
  await t.throwsAsync(storage.connect(), { code: 'CONNECTION' });
  t.deepEqual(events, []);
  const engine = storage.getEngine();
  const calls = [engine.set('a', 1), engine.get('a'), engine.set('a', 2), engine.get('a')];
  while (events.length < 2) await sleep(5);
  const again = await startRedis({ port: server.port });
  t.teardown(() => again.stop());
  t.deepEqual(await Promise.all(calls), [undefined, 1, undefined, 2]);
  t.like(events[0], { engine: 'redis', operation: 'connect', attempt: 2 });
  t.is(events[0].error.code, 'CONNECTION');
  t.is((await engine.stats()).counters.retries, events.length);
});
