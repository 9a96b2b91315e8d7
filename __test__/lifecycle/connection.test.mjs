// How engines connect and disconnect.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MemoryStorage, SQLiteStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, folderOf, onEach } from '../helpers/engines.mjs';

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

for (const [name, option] of [
  ['file', 'basePath'],
  ['sqlite', 'path'],
  ['leveldb', 'path'],
]) {
  test(`${name}: a call made in answer to a failed opening opens anew`, async (t) => {
    const blocked = join(folderOf(t), 'blocked');
    writeFileSync(blocked, '');
    const engine = ENGINES[name].make({ [option]: join(blocked, 'store') });
    const again = () => t.throwsAsync(engine.set('a', 1));
    await Promise.all([again().then(again).then(again), again().then(again)]);
    rmSync(blocked);
    await engine.set('a', 1).catch(() => engine.set('a', 1));
    t.is(await engine.get('a'), 1);
    await engine.disconnect();
  });
}

test('disposal disconnects an engine', async (t) => {
  const path = `${folderOf(t)}/store.db`;
  const engine = new SQLiteStorage({ path });
  await engine.set('a', 1);
  await engine[Symbol.asyncDispose]();
  t.is(engine.status, 'idle');
});

test('disposal closes a manager', async (t) => {
  const storage = new StorageManager();
  await storage[Symbol.asyncDispose]();
  t.is(storage.getEngine('memory').status, 'closed');
});

test('each memory engine is a store of its own', async (t) => {
  const [one, two] = [new MemoryStorage(), new MemoryStorage()];
  await one.set('a', 1);
  t.is(await two.get('a'), null);
});
