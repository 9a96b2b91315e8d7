// The engines of a manager: by name, registered, replaced, and looked after together.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

test('an engine that is not there is told by name', (t) => {
  const storage = new StorageManager();
  t.throws(() => storage.getEngine(), { code: 'ENGINE_NOT_FOUND', message: /^Storage engine not found: file; / });
  t.throws(() => storage.getEngine('none'), { code: 'ENGINE_NOT_FOUND', message: /^Storage engine not found: none; / });
});

test('getEngine and registerEngine refuse arguments of a wrong type', (t) => {
  const storage = new StorageManager();
  t.throws(() => storage.getEngine(5), TYPE_ERROR);
  t.throws(() => storage.registerEngine('', {}), TYPE_ERROR);
  t.throws(() => storage.registerEngine('mine', null), TYPE_ERROR);
});

test('a registered engine takes the place of one of its name, which is closed', async (t) => {
  const storage = new StorageManager();
  const first = storage.getEngine('memory');
  const second = new MemoryStorage();
  t.is(storage.registerEngine('memory', second), storage);
  t.is(storage.getEngine('memory'), second);
  await t.throwsAsync(first.get('a'), { code: 'CLOSED' });
  await storage.close();
});

test('an engine that was given stays open when the manager closes', async (t) => {
  const given = new MemoryStorage();
  const storage = new StorageManager().registerEngine('memory', given);
  await storage.close();
  t.is(await given.get('a'), null, 'a given one stays open');
});

/** A manager with an engine of each kind, and the paths that they would make. */
function managerOfAll(t) {
  const folder = folderOf(t);
  const storage = new StorageManager({
    file: { basePath: join(folder, 'files') },
    sqlite: { path: join(folder, 'db', 'a.db') },
    leveldb: { path: join(folder, 'level') },
    engines: { mine: new BareEngine() },
  });
  t.teardown(() => storage.close());
  return { storage, made: () => readdirSync(folder).sort() };
}

test('stats and verify answer for the engines that are open, and open no other', async (t) => {
  const { storage, made } = managerOfAll(t);
  t.deepEqual(Object.keys(await storage.stats()), ['transactions']);
  t.deepEqual(await storage.verify(), {});
  await storage.getEngine('memory').set('a', 1);
  await storage.getEngine('sqlite').set('a', 1);
  const stats = await storage.stats();
  t.deepEqual(Object.keys(stats), ['sqlite', 'memory', 'transactions']);
  t.is(stats.memory.keys, 1);
  t.is(stats.memory.counters.commits, 1);
  t.deepEqual(Object.keys(await storage.verify({ repair: false })), ['sqlite', 'memory']);
  await storage.getEngine('sqlite').disconnect();
  t.deepEqual(Object.keys(await storage.verify({ all: false })), ['memory']);
  t.deepEqual(made(), ['db']);
  for (const engine of ['file', 'leveldb', 'mine']) t.is(storage.getEngine(engine).status, 'idle');
});

test('with all, stats and verify answer for every engine', async (t) => {
  const { storage, made } = managerOfAll(t);
  const names = ['file', 'sqlite', 'leveldb', 'memory', 'mine'];
  const stats = await storage.stats({ all: true });
  t.deepEqual(Object.keys(stats), [...names, 'transactions']);
  t.true(Object.values(stats.mine.counters).every((count) => count === null));
  const reports = await storage.verify({ all: true });
  t.deepEqual(Object.keys(reports), names);
  t.true(Object.values(reports).every(({ ok }) => ok));
  t.deepEqual(made(), ['db', 'files', 'level']);
  await t.throwsAsync(storage.stats({ all: 1 }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(storage.verify({ al: true }), { code: 'INVALID_ARGUMENT', message: /did you mean all\?/ });
});
