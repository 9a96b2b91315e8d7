import { join } from 'node:path';
import test from 'ava';
import { StorageManager } from './entry.mjs';
import { folderOf } from './engines.mjs';
import { BareEngine, FullEngine } from './map-engine.mjs';

/** The prefix of keys that the library keeps in a custom engine. */
export const OURS = '.holdfast~';

/** A manager with sqlite and the custom engine `target`, named mine, as its default. Closed after the test. */
export function customManagerOf(t, target) {
  const folder = folderOf(t);
  const storage = new StorageManager({
    defaultEngine: 'mine',
    engines: { mine: target },
    transactions: { path: join(folder, 'tx') },
    durability: 'none',
    sqlite: { path: join(folder, 'store.db') },
    retry: { minDelay: 1, maxDelay: 20 },
  });
  t.teardown(async () => {
    await storage.close();
    await storage
      .getEngine()
      .disconnect()
      .catch(() => {});
  });
  return { storage, engine: storage.getEngine() };
}

/** The records that users wrote, as the engine holds them. */
export const held = (target) =>
  Object.fromEntries(
    [...target.records]
      .filter(([key]) => !key.startsWith(OURS))
      .map(([key, record]) => [key, target instanceof FullEngine ? record.value : record]),
  );

/** Defines a test for an engine of the eight methods and for one with everything. */
export function onBoth(title, run) {
  for (const [name, Engine] of [
    ['eight methods', BareEngine],
    ['everything declared', FullEngine],
  ]) {
    test(`${name}: ${title}`, async (t) => {
      const target = new Engine();
      await run(t, customManagerOf(t, target), target);
    });
  }
}
