// StorageManager.keyValue.
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';

function memory(t) {
  const storage = new StorageManager({ defaultEngine: 'memory' });
  t.teardown(() => storage.close());
  return storage;
}

test('the manager makes stores over its default engine', async (t) => {
  const storage = memory(t);
  const settings = storage.keyValue('settings');
  await settings.set('a', 1);
  t.is(await storage.getEngine('memory').get('settings/a'), 1);
});

test('the manager makes stores over an engine that is named', async (t) => {
  const storage = memory(t);
  await storage.getEngine('memory').set('settings/a', 1);
  t.is(await storage.keyValue('settings', { engine: 'memory' }).get('a'), 1);
});

test('unknown engines and options are refused', (t) => {
  const storage = memory(t);
  t.throws(() => storage.keyValue('p', { engine: 'none' }), { code: 'ENGINE_NOT_FOUND' });
  t.throws(() => storage.keyValue('p', { egnine: 'memory' }), { code: 'INVALID_ARGUMENT' });
});

test('a store of a closed manager is CLOSED', async (t) => {
  const storage = memory(t);
  const settings = storage.keyValue('settings');
  await storage.close();
  await t.throwsAsync(settings.get('a'), { code: 'CLOSED' });
});
