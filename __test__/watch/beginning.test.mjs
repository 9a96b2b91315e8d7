// Watches that cannot begin: `ready` tells it, whether or not anybody asks for events.
import { join } from 'node:path';
import test from 'ava';
import { FileStorage, LevelDBStorage, RedisStorage, SQLiteStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, folderOf, onEach } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

/** Checks that a watch does not begin, and that `ready` says so before `next()` does. */
async function cannotBegin(t, watch, expected) {
  const error = await t.throwsAsync(watch.ready, expected);
  t.is(await t.throwsAsync(watch.next()), error);
  t.true((await watch.next()).done);
}

onEach(
  'ready rejects where the log does not reach back to since',
  async (t, engine) => {
    for (let n = 0; n < 5; n++) await engine.set('n', n);
    await cannotBegin(t, engine.watch('*', { since: 0 }), { code: 'PRECONDITION_FAILED' });
    await cannotBegin(t, engine.watch('*', { since: 2 ** 52 }), { code: 'INVALID_ARGUMENT' });
    await cannotBegin(t, engine.watch('*', { since: '7.' }), { code: 'INVALID_ARGUMENT' });
  },
  ['memory', 'file', 'sqlite', 'leveldb', 'redis'],
);

onEach(
  'ready rejects where there is no change log',
  (t, engine) => cannotBegin(t, engine.watch('*', { since: 0 }), { code: 'NOT_SUPPORTED' }),
  ['custom'],
);

for (const [name, Engine] of [
  ['file', FileStorage],
  ['sqlite', SQLiteStorage],
  ['leveldb', LevelDBStorage],
]) {
  test(`${name}: ready rejects where the log cannot be switched on`, async (t) => {
    const options = await ENGINES[name].config(t);
    const writer = new Engine(options);
    await writer.set('a', 1);
    await writer.disconnect();
    const reader = new Engine({ ...options, readOnly: true });
    const { commit } = await reader.stats();
    await cannotBegin(t, reader.watch('*', { since: commit }), { code: 'READ_ONLY' });
    await reader.disconnect();
  });
}

test('redis: ready rejects where the server is gone', async (t) => {
  const server = await startRedis();
  t.teardown(server.stop);
  const engine = new RedisStorage({ url: server.url, connectTimeout: 500 });
  await engine.set('a', 1);
  await server.stop();
  await cannotBegin(t, engine.watch(), { code: 'CONNECTION' });
  await engine.disconnect();
});

for (const [name, config] of [
  ['file', { basePath: '/dev/null/nowhere' }],
  ['sqlite', { path: '/dev/null/nowhere/store.db' }],
  ['leveldb', { path: '/dev/null/nowhere' }],
  ['redis', { port: 1, connectTimeout: 500 }],
]) {
  test(`${name}: ready rejects where the engine cannot be opened`, async (t) => {
    const storage = new StorageManager({ [name]: config, retry: { attempts: 1 } });
    await cannotBegin(t, storage.getEngine(name).watch(), { message: name === 'redis' ? /connect/ : /nowhere/ });
    await storage.close();
  });
}

test('custom: ready rejects where the engine is closed', async (t) => {
  const storage = new StorageManager().registerEngine('mine', new BareEngine(), { own: true });
  const engine = storage.getEngine('mine');
  await storage.close();
  await cannotBegin(t, engine.watch(), { code: 'CLOSED' });
});

test('ready rejects where a disconnect comes before the watch has begun', async (t) => {
  const server = await startRedis();
  t.teardown(server.stop);
  const engine = new RedisStorage({ url: server.url });
  const watch = engine.watch();
  await engine.disconnect();
  await t.throwsAsync(watch.ready, { code: 'CLOSED' });
});

test('ready resolves on a store whose log is there though it is read only', async (t) => {
  const options = { path: join(folderOf(t), 'store'), durability: 'none' };
  const writer = new LevelDBStorage(options);
  const { commit } = await writer.stats();
  await writer.watch('*', { since: commit }).ready;
  await writer.set('a', 1);
  await writer.disconnect();
  const reader = new LevelDBStorage({ ...options, readOnly: true });
  const watch = reader.watch('*', { since: commit });
  await watch.ready;
  t.is((await watch.next()).value.key, 'a');
  await reader.disconnect();
});
