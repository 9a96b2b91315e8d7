// The events of a manager.
import { writeFileSync } from 'node:fs';
import test from 'ava';
import { StorageManager, isStorageError } from '../helpers/entry.mjs';
import { folderOf } from '../helpers/engines.mjs';

const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

test('unknown events, and listeners that are no functions, are refused', (t) => {
  const storage = new StorageManager();
  t.throws(() => storage.on('eror', () => {}), {
    ...TYPE_ERROR,
    message: /one of error, retry, reconnect, down, up, recovered/,
  });
  t.throws(() => storage.on('error', 5), TYPE_ERROR);
});

/** A manager whose default engine cannot connect. */
function unconnectable(t) {
  const file = `${folderOf(t)}/file`;
  writeFileSync(file, 'not a folder');
  const storage = new StorageManager({ leveldb: { path: `${file}/x` }, defaultEngine: 'leveldb' });
  t.teardown(() => storage.close());
  return storage;
}

test('an engine that cannot connect rejects, and without a listener nothing is thrown', async (t) => {
  const storage = unconnectable(t);
  const rejected = await t.throwsAsync(storage.getEngine().get('a'));
  t.true(isStorageError(rejected));
  await t.throwsAsync(storage.connect());
});

test('an engine that cannot connect is told to listeners', async (t) => {
  const storage = unconnectable(t);
  const heard = [];
  storage.on('error', (error, engine) => heard.push([error, engine]));
  const error = await t.throwsAsync(storage.getEngine().get('a'));
  t.deepEqual(heard, [[error, 'leveldb']]);
  t.like(error, { engine: 'leveldb', operation: 'connect' });
});

test('a reconnection is told', async (t) => {
  const storage = new StorageManager({ sqlite: { path: `${folderOf(t)}/a.db` } });
  const heard = [];
  storage.on('reconnect', (engine) => heard.push(engine));
  const engine = storage.getEngine('sqlite');
  await engine.set('a', 1);
  t.deepEqual(heard, []);
  await engine.disconnect();
  await engine.get('a');
  t.deepEqual(heard, ['sqlite']);
  await storage.close();
});
