// The engines of a manager: by name, registered, replaced, and looked after together.
import test from 'ava';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

test('an engine that is not there is told by name', (t) => {
  const storage = new StorageManager();
  t.throws(() => storage.getEngine(), { code: 'ENGINE_NOT_FOUND', message: 'Storage engine not found: file' });
  t.throws(() => storage.getEngine('none'), { code: 'ENGINE_NOT_FOUND', message: 'Storage engine not found: none' });
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

test('stats answer for every engine', async (t) => {
  const storage = new StorageManager({ engines: { mine: new BareEngine() } });
  await storage.getEngine('memory').set('a', 1);
  const stats = await storage.stats();
  t.deepEqual(Object.keys(stats).sort(), ['memory', 'mine', 'transactions']);
  t.is(stats.memory.keys, 1);
  t.is(stats.memory.counters.commits, 1);
  t.true(Object.values(stats.mine.counters).every((count) => count === null));
  await storage.close();
});

test('verify answers for every engine', async (t) => {
  const storage = new StorageManager({ engines: { mine: new BareEngine() } });
  await storage.getEngine('memory').set('a', 1);
  t.true((await storage.verify()).mine.ok);
  await storage.close();
});
