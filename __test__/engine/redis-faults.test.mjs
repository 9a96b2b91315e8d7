// The redis engine when its server refuses, hangs, goes away or speaks nonsense.
import { createServer } from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import { RedisStorage, StorageManager } from '../helpers/entry.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

const FAST = { connectTimeout: 300, commandTimeout: 300 };

async function serverFor(t, options) {
  const server = await startRedis(options);
  t.teardown(() => server.stop());
  return server;
}

/** The port of a server that passes each connection to `talk`. */
async function serverThat(t, talk) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    talk(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

async function assertUnreachable(t, engine, codes = ['CONNECTION', 'TIMEOUT']) {
  for (const call of [
    () => engine.connect(),
    () => engine.get('a'),
    () => engine.set('a', 1),
    () => engine.keys(),
    () => engine.increment('a'),
    () => engine.entries().next(),
  ]) {
    const error = await t.throwsAsync(call(), { name: 'StorageError' });
    t.true(codes.includes(error.code), error.stack);
    t.is(error.engine, 'redis');
    t.true(error.retryable);
  }
  await engine.disconnect();
}

test('a server that refuses connections is CONNECTION', async (t) => {
  const server = await serverFor(t);
  await server.stop();
  await assertUnreachable(t, new RedisStorage({ port: server.port, ...FAST }), ['CONNECTION']);
});

test('a server that closes each connection is CONNECTION', async (t) => {
  await assertUnreachable(t, new RedisStorage({ port: await serverThat(t, (socket) => socket.destroy()), ...FAST }));
});

test('a server that never answers is given up', async (t) => {
  await assertUnreachable(t, new RedisStorage({ port: await serverThat(t, () => {}), ...FAST }));
});

test('a server that does not speak Redis is told, and never believed', async (t) => {
  for (const answer of [
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    '$99999999999\r\n',
    '*1000000000\r\n',
    ':\r\n',
    '\0'.repeat(1_000),
    '-ERR go away\r\n'.repeat(20),
    `*1\r\n${'*1\r\n'.repeat(50_000)}`,
  ]) {
    const port = await serverThat(t, (socket) => socket.on('data', () => socket.write(answer)));
    const engine = new RedisStorage({ port, ...FAST });
    const error = await t.throwsAsync(engine.get('a'), { name: 'StorageError' }, JSON.stringify(answer.slice(0, 20)));
    t.not(error.code, 'UNKNOWN_OUTCOME');
    await engine.disconnect();
  }
});

async function hanging(t) {
  const server = await serverFor(t);
  const engine = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, ...FAST },
    retry: { attempts: 1 },
  }).getEngine();
  await engine.set('a', 1);
  process.kill(server.pid, 'SIGSTOP');
  return { engine, wake: () => process.kill(server.pid, 'SIGCONT') };
}

test('a server that hangs is TIMEOUT for reads and UNKNOWN_OUTCOME for writes', async (t) => {
  const { engine, wake } = await hanging(t);
  const read = engine.get('a');
  const write = engine.set('b', 2);
  const iterator = engine.entries();
  await t.throwsAsync(read, { code: 'TIMEOUT' });
  await t.throwsAsync(write, { code: 'UNKNOWN_OUTCOME' });
  const next = await t.throwsAsync(iterator.next());
  t.true(['TIMEOUT', 'CONNECTION'].includes(next.code), next.stack);
  wake();
  await engine.disconnect();
});

test('calls go on once a server that hung wakes', async (t) => {
  const { engine, wake } = await hanging(t);
  await Promise.allSettled([engine.get('a'), engine.set('b', 2), engine.entries().next()]);
  wake();
  t.is(await untilAnswered(() => engine.get('a')), 1);
  await engine.set('c', 3);
  t.deepEqual(await engine.getMany(['a', 'c']), [1, 3]);
  await engine.disconnect();
});

test('while a server restarts no call is answered with the reply of another', async (t) => {
  const server = await serverFor(t);
  const engine = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, connectTimeout: 10_000 },
    retry: { attempts: 1 },
  }).getEngine();
  const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
  await engine.setMany(keys.map((key) => [key, key]));
  const calls = [];
  const ask = () => {
    for (const key of keys) calls.push(engine.get(key).then((value) => [key, value]));
    for (const key of keys) calls.push(engine.set(`w${key}`, key).then(() => null));
  };
  ask();
  const stopping = server.stop();
  ask();
  await stopping;
  ask();
  const again = await serverFor(t, { port: server.port });
  ask();
  for (const { status, value, reason } of await Promise.allSettled(calls)) {
    if (status === 'rejected') t.true(['CONNECTION', 'TIMEOUT', 'UNKNOWN_OUTCOME'].includes(reason.code), reason.stack);
    // The new server starts empty.
    else if (value !== null) t.true(value[1] === value[0] || value[1] === null, `${value}`);
  }
  t.is(again.port, server.port);
  await untilAnswered(() => engine.get('k0'));
  await engine.set('after', 1);
  t.is(await engine.get('after'), 1);
  await engine.disconnect();
});

test('a connection the server closes between calls is made anew', async (t) => {
  const server = await serverFor(t);
  const engine = new RedisStorage({ url: server.url });
  await engine.set('a', 1);
  for (let round = 0; round < 3; round++) {
    await server.closeClients();
    t.is(await untilAnswered(() => engine.get('a')), 1);
  }
  await engine.disconnect();
});

test('disconnect and close end while the server hangs', async (t) => {
  const server = await serverFor(t);
  const storage = new StorageManager({
    defaultEngine: 'redis',
    redis: { url: server.url, ...FAST },
    retry: { attempts: 1 },
  });
  await storage.getEngine().set('a', 1);
  process.kill(server.pid, 'SIGSTOP');
  const read = storage.getEngine().get('a');
  const closing = storage.close();
  await t.throwsAsync(read);
  await closing;
  process.kill(server.pid, 'SIGCONT');
  await t.throwsAsync(storage.getEngine().get('a'), { code: 'CLOSED' });
});

/** The first answer, after any number of errors that may be retried. */
async function untilAnswered(read) {
  for (;;) {
    try {
      return await read();
    } catch (error) {
      if (!error.retryable) throw error;
    }
  }
}

test('the loss of a server and its return are told', async (t) => {
  const first = await serverFor(t);
  const storage = new StorageManager({ redis: { port: first.port } });
  const heard = [];
  const next = (event) => new Promise((resolve) => storage.once(event, resolve));
  storage.on('down', (engine, error) => heard.push(['down', engine, error]));
  storage.on('up', (engine) => heard.push(['up', engine]));
  await storage.getEngine('redis').set('a', 1);
  const down = next('down');
  await first.stop();
  await down;
  const up = next('up');
  await serverFor(t, { port: first.port });
  await up;
  t.is(await storage.getEngine('redis').get('a'), null, 'it is another server');
  await storage.close();
  t.deepEqual(
    heard.map(([event, engine]) => [event, engine]),
    [
      ['down', 'redis'],
      ['up', 'redis'],
    ],
    'a close is no loss',
  );
  t.like(heard[0][2], { name: 'StorageError', code: 'CONNECTION', engine: 'redis' });
});
