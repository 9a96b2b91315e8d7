import { inspect } from 'node:util';
import test from 'ava';
import { MemoryStorage, RedisStorage, SQLiteStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES, collect, folderOf, onEach } from '../helpers/engines.mjs';

onEach('status tells where an engine stands', async (t, engine) => {
  t.is(engine.status, 'idle');
  const connecting = engine.connect();
  t.is(engine.status, 'connecting');
  await Promise.all([connecting, engine.connect(), engine.set('a', 1)]);
  t.is(engine.status, 'connected');
  await engine.disconnect();
  t.is(engine.status, 'idle');
  await engine.disconnect();
});

onEach('a call after a disconnect connects again, and the data is there', async (t, engine) => {
  await engine.set('a', 1);
  await engine.disconnect();
  t.is(await engine.get('a'), 1);
  t.is(engine.status, 'connected');
});

onEach('a disconnect finishes what was called before it', async (t, engine) => {
  const writes = Array.from({ length: 100 }, (_, index) => engine.set(`k${index}`, index));
  const disconnecting = engine.disconnect();
  await Promise.all(writes);
  await disconnecting;
  t.is(await engine.count(), 100);
});

onEach('calls made while it disconnects wait for the next connection', async (t, engine) => {
  await engine.set('a', 1);
  const disconnecting = engine.disconnect();
  const [value] = await Promise.all([engine.get('a'), engine.set('b', 2), disconnecting]);
  t.is(value, 1);
  t.is(await engine.get('b'), 2);
});

for (const name of ENGINE_NAMES.filter((engine) => engine !== 'javascript')) {
  test(`${name}: close finishes what runs, then refuses everything with CLOSED`, async (t) => {
    const config = await ENGINES[name].config(t);
    const storage = new StorageManager({ defaultEngine: name, [name]: config });
    const engine = storage.getEngine();
    await engine.clear();
    const writes = Array.from({ length: 50 }, (_, index) => engine.set(`k${index}`, index));
    const iterator = engine.entries();
    await iterator.next();
    const snapshot = engine.capabilities.snapshots ? await engine.snapshot() : undefined;
    const closing = storage.close();
    const closed = { code: 'CLOSED', name: 'StorageError' };
    await t.throwsAsync(engine.get('k0'), closed);
    await Promise.all(writes);
    await closing;
    await storage.close();
    t.is(engine.status, 'closed');
    await t.throwsAsync(engine.set('a', 1), closed);
    await t.throwsAsync(engine.connect(), closed);
    await t.throwsAsync(engine.keys(), closed);
    await t.throwsAsync(collect(engine.entries()), closed);
    await t.throwsAsync(iterator.next(), closed);
    if (snapshot !== undefined) await t.throwsAsync(snapshot.get('k0'), closed);
    if (engine.capabilities.sync) t.throws(() => engine.getSync('k0'), closed);
    await t.throwsAsync(storage.connect(), closed);
    await t.throwsAsync(storage.stats(), closed);
    if (name !== 'memory') {
      const again = new StorageManager({ defaultEngine: name, [name]: config });
      t.is(await again.getEngine().count(), 50);
      await again.getEngine().clear();
      await again.close();
    }
  });
}

test('close of an engine that never connected does no I/O', async (t) => {
  const storage = new StorageManager({ sqlite: { path: '/proc/nowhere/x.db' } });
  await storage.close();
  await t.throwsAsync(storage.getEngine('sqlite').get('a'), { code: 'CLOSED' });
});

test('close frees what a disconnected memory engine kept', async (t) => {
  const storage = new StorageManager();
  const engine = storage.getEngine('memory');
  await engine.set('a', 1);
  await engine.disconnect();
  await storage.close();
  await t.throwsAsync(engine.get('a'), { code: 'CLOSED' });
});

test('nothing that is printed shows a password', async (t) => {
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
  const error = await t.throwsAsync(engines[0].get('a'));
  t.notRegex(inspect(error, { depth: 10 }) + error.stack, /hunter2/);
  t.notRegex(t.throws(() => new RedisStorage({ url: `redis://:${secret}@x`, host: 'y' })).message, /hunter2/);
  t.notRegex(t.throws(() => new RedisStorage({ port: secret })).message, /hunter2/);
});

test('an engine is disposed of at the end of its block', async (t) => {
  const path = `${folderOf(t)}/store.db`;
  const engine = new SQLiteStorage({ path });
  await engine.set('a', 1);
  await engine[Symbol.asyncDispose]();
  t.is(engine.status, 'idle');
  const storage = new StorageManager();
  await storage[Symbol.asyncDispose]();
  t.is(storage.getEngine('memory').status, 'closed');
});

test('each memory engine is a store of its own', async (t) => {
  const [one, two] = [new MemoryStorage(), new MemoryStorage()];
  await one.set('a', 1);
  t.is(await two.get('a'), null);
});
