import { join } from 'node:path';
import test from 'ava';
import { FileStorage, LevelDBStorage, SQLiteStorage, StorageManager } from '../helpers/entry.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { program, running } from '../helpers/program.mjs';

const LOCKING = {
  file: (path, options) => new FileStorage({ basePath: path, ...options }),
  leveldb: (path, options) => new LevelDBStorage({ path, ...options }),
};

const HOLD = new URL('programs/hold.mjs', import.meta.url);
const READ_THEN_WRITE = new URL('programs/read-then-write.mjs', import.meta.url);
const ADD_FIFTY = new URL('programs/add-fifty.mjs', import.meta.url);

const optionsOf = (name, path) => (name === 'file' ? { basePath: path } : { path });

for (const [name, make] of Object.entries(LOCKING)) {
  test(`${name}: every call on a folder that another process has open is LOCKED`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: optionsOf(name, path) });
    t.is(await other.next(), 'open');
    const engine = make(path);
    const error = await t.throwsAsync(engine.set('ours', 1), { code: 'LOCKED', name: 'StorageError' });
    t.like(error, { engine: name, retryable: true });
    t.true(error.message.includes(path), error.message);
    await t.throwsAsync(engine.get('theirs'), { code: 'LOCKED' });
    await t.throwsAsync(engine.connect(), { code: 'LOCKED' });
    t.throws(() => engine.getSync('theirs'), { code: 'LOCKED' });
    t.is(engine.status, 'idle');
    await other.end();
  });

  test(`${name}: a folder that another process had open is free once it lets go`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: optionsOf(name, path) });
    await other.next();
    const engine = make(path);
    await t.throwsAsync(engine.set('ours', 1), { code: 'LOCKED' });
    await other.end();
    t.is(await engine.get('theirs'), 1);
    t.is(await engine.get('ours'), null, 'the refused write was not kept for later');
    await engine.disconnect();
  });

  test(`${name}: a lockTimeout that is too short ends with LOCKED`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: optionsOf(name, path) });
    await other.next();
    await t.throwsAsync(make(path, { lockTimeout: 50 }).get('theirs'), { code: 'LOCKED' });
    await other.end();
  });

  test(`${name}: with lockTimeout it waits for the other process`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: optionsOf(name, path) });
    await other.next();
    const engine = make(path, { lockTimeout: 60_000 });
    const read = engine.get('theirs');
    await Promise.all([other.end(), t.notThrowsAsync(read)]);
    t.is(await read, 1);
    await engine.disconnect();
  });

  test(`${name}: a process that was killed leaves no lock, and what it was told of`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: { ...optionsOf(name, path), durability: 'normal' } });
    await other.next();
    await other.kill();
    const engine = make(path);
    t.is(await engine.get('theirs'), 1);
    t.true((await engine.verify()).ok);
    await engine.disconnect();
  });

  /** A store with one record, open with readOnly. */
  async function reading(t) {
    const path = join(folderOf(t), 'store');
    const writer = make(path);
    await writer.set('a', 1);
    await writer.disconnect();
    const reader = make(path, { readOnly: true });
    t.is(await reader.get('a'), 1);
    return { path, reader };
  }

  test(`${name}: a store that was opened with readOnly refuses writes`, async (t) => {
    const { reader } = await reading(t);
    await t.throwsAsync(reader.set('a', 2), { code: 'READ_ONLY' });
    await reader.disconnect();
  });

  test(`${name}: readers share a store with each other and with no writer`, async (t) => {
    const { path, reader } = await reading(t);
    const said = await program(READ_THEN_WRITE, { name, options: optionsOf(name, path) });
    t.deepEqual(said[0], 1);
    t.true(['LOCKED', 'INVALID_ARGUMENT'].includes(said[1]), said[1]);
    await reader.disconnect();
  });

  test(`${name}: the manager retries and then tells that the store is locked`, async (t) => {
    const path = join(folderOf(t), 'store');
    const other = running(t, HOLD, { name, options: optionsOf(name, path) });
    await other.next();
    const storage = new StorageManager({ defaultEngine: name, [name]: optionsOf(name, path) });
    await t.throwsAsync(storage.connect(), { code: 'LOCKED' });
    await other.end();
    await storage.connect();
    t.is(await storage.getEngine().get('theirs'), 1);
    await storage.close();
  });
}

test('sqlite: processes share a database, and each sees what the other wrote', async (t) => {
  const path = join(folderOf(t), 'store.db');
  const engine = new SQLiteStorage({ path });
  await engine.set('count', 0);
  const ours = (async () => {
    for (let n = 0; n < 50; n++) await engine.increment('count');
  })();
  t.deepEqual(await Promise.all([program(ADD_FIFTY, { path }), program(ADD_FIFTY, { path }), ours]), [
    [true],
    [true],
    undefined,
  ]);
  t.is(await engine.get('count'), 150);
  await engine.disconnect();
});
