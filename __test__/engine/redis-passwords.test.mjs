// Passwords of a Redis server: wrong ones are refused, and none is ever shown.
import { inspect } from 'node:util';
import test from 'ava';
import { RedisStorage, StorageManager } from '../helpers/entry.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

const FAST = { connectTimeout: 300, commandTimeout: 300 };
const SECRET = 'hunter2-the-secret';

/** Configurations with a wrong password or none, for a server that wants SECRET. */
async function refusedConfigs(t) {
  const server = await startRedis({ password: SECRET });
  t.teardown(() => server.stop());
  const { port } = server;
  const right = new RedisStorage({ url: `redis://:${SECRET}@127.0.0.1:${port}` });
  await right.set('a', 1);
  await right.disconnect();
  const wrong = `wrong-${SECRET}`;
  return [
    { url: `redis://:${wrong}@127.0.0.1:${port}` },
    { url: `redis://someone:${wrong}@127.0.0.1:${port}` },
    { port, password: wrong },
    { port, username: 'someone', password: wrong },
    { port },
    { url: `redis://:${wrong}@127.0.0.1:${port}/0`, db: 0 },
  ];
}

const managerOf = (config) =>
  new StorageManager({
    defaultEngine: 'redis',
    redis: { ...config, ...FAST },
    retry: { attempts: 2, minDelay: 1, maxDelay: 1 },
  });

const callsOf = (storage) => [
  () => storage.getEngine().connect(),
  () => storage.getEngine().get('a'),
  () => storage.getEngine().set('a', 1),
  () => storage.stats({ all: true }),
];

test('a wrong or missing password is CONNECTION', async (t) => {
  for (const config of await refusedConfigs(t)) {
    const storage = managerOf(config);
    for (const call of callsOf(storage)) await t.throwsAsync(call(), { code: 'CONNECTION' });
    await storage.close();
  }
});

test('errors, events and what is inspected show no password', async (t) => {
  for (const config of await refusedConfigs(t)) {
    const storage = managerOf(config);
    const heard = [];
    storage.on('error', (...event) => heard.push(event));
    storage.on('retry', (...event) => heard.push(event));
    for (const call of callsOf(storage)) {
      const error = await t.throwsAsync(call());
      for (let at = error; at instanceof Error; at = at.cause)
        assertHidden(t, at.message, at.stack, JSON.stringify(at), Object.values(at).map(String).join());
      assertHidden(t, inspect(error, { depth: 20, showHidden: true }));
    }
    const shown = [storage.getEngine(), storage, heard];
    assertHidden(t, inspect(shown, { depth: 20, showHidden: true }), JSON.stringify(shown));
    await storage.close();
  }
});

test('the error of a url that is none shows no password', async (t) => {
  for (const url of [
    `redis://:${SECRET}@127.0.0.1:notaport`,
    `http://:${SECRET}@x`,
    `redis://:${SECRET}@`,
    `redis://:${SECRET}@x/notadb`,
    `:${SECRET}@`,
  ]) {
    const error = await t.throwsAsync(async () => new RedisStorage({ url, ...FAST }).connect());
    assertHidden(t, inspect(error, { depth: 20, showHidden: true }), error.message, error.stack);
  }
});

function assertHidden(t, ...texts) {
  for (const text of texts) t.false(String(text).includes('hunter2'), text);
}

test('inspected and stringified engines and managers show no password', (t) => {
  const secret = 'hunter2';
  const engines = [
    new RedisStorage({ url: `redis://:${secret}@127.0.0.1:1`, connectTimeout: 100 }),
    new RedisStorage({ host: '127.0.0.1', port: 1, password: secret }),
  ];
  const storage = new StorageManager({ redis: { url: `redis://:${secret}@127.0.0.1:1` } });
  for (const thing of [...engines, storage, { storage, engines }, storage.keyValue('p', { engine: 'redis' })]) {
    t.notRegex(inspect(thing, { depth: 10, showHidden: true }), /hunter2/);
    t.notRegex(JSON.stringify(thing), /hunter2/);
  }
});

test('errors show no password', async (t) => {
  const secret = 'hunter2';
  const engine = new RedisStorage({ url: `redis://:${secret}@127.0.0.1:1`, connectTimeout: 100 });
  const error = await t.throwsAsync(engine.get('a'));
  t.notRegex(inspect(error, { depth: 10 }) + error.stack, /hunter2/);
  t.notRegex(t.throws(() => new RedisStorage({ url: `redis://:${secret}@x`, host: 'y' })).message, /hunter2/);
  t.notRegex(t.throws(() => new RedisStorage({ port: secret })).message, /hunter2/);
});
