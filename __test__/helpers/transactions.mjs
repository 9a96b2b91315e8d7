import test from 'ava';
import { StorageManager } from './entry.mjs';
import { ENGINES } from './engines.mjs';

export const BUILT_IN = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];

/** A manager whose default engine is `name`, closed after the test. */
export async function managerOf(t, name, config = {}) {
  const storage = new StorageManager({ defaultEngine: name, [name]: await ENGINES[name].config(t), ...config });
  t.teardown(async () => {
    if (name === 'redis')
      await storage
        .getEngine()
        .clear()
        .catch(() => {});
    await storage.close();
  });
  return storage;
}

/** Defines a test for each built-in engine, which is given a manager and its engine, empty. */
export function onEachTransactional(title, run, names = BUILT_IN, config = {}) {
  for (const name of names) {
    test(`${name}: ${title}`, async (t) => {
      const storage = await managerOf(t, name, config);
      await run(t, storage, storage.getEngine(), name);
    });
  }
}

/** The code a promise rejects with, or what it resolves to. */
export const codeOf = (promise) =>
  promise.then(
    (value) => value,
    (error) => error.code ?? error,
  );
