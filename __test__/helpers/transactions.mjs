import { AsyncResource } from 'node:async_hooks';
import test from 'ava';
import { KeyValueStore, StorageManager } from './entry.mjs';
import { ENGINES } from './engines.mjs';

export const BUILT_IN = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];

/** Every way of using a transaction. */
export const USES = {
  get: (tx) => tx.get('a'),
  set: (tx) => tx.set('a', 1),
  'set with options': (tx) => tx.set('a', 1, { ttl: 5 }),
  delete: (tx) => tx.delete('a'),
  'set with a condition': (tx) => tx.set('a', 1, { ifAbsent: true }),
  'set with a signal': (tx) => tx.set('a', 1, { signal: new AbortController().signal }),
  has: (tx) => tx.has('a'),
  keys: (tx) => tx.keys(),
  count: (tx) => tx.count(),
  clear: (tx) => tx.clear(),
  getMany: (tx) => tx.getMany(['a']),
  setMany: (tx) => tx.setMany([['a', 1]]),
  deleteMany: (tx) => tx.deleteMany(['a']),
  batch: (tx) => tx.batch([{ type: 'delete', key: 'a' }]),
  compareAndSet: (tx) => tx.compareAndSet('a', null, 1),
  increment: (tx) => tx.increment('a'),
  getEntry: (tx) => tx.getEntry('a'),
  entries: (tx) => tx.entries().next(),
  values: (tx) => tx.values().next(),
  keysIterator: (tx) => tx.keysIterator().next(),
  engine: (tx) => tx.engine().get('a'),
  model: (tx) => new KeyValueStore(tx, 'p').set('a', 1),
  'model keys': (tx) => new KeyValueStore(tx, 'p').keys(),
  commit: (tx) => tx.commit(),
  rollback: (tx) => tx.rollback(),
};

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

/** Defines a test for each built-in engine. It gets a manager and its engine, which is empty. */
export function onEachTransactional(title, run, names = BUILT_IN, config = {}) {
  for (const name of names) {
    test(`${name}: ${title}`, async (t) => {
      const storage = await managerOf(t, name, config);
      await run(t, storage, storage.getEngine(), name);
    });
  }
}

const others = new AsyncResource('others');

/** Makes a call as code would that is no part of the function that runs. */
export const byOthers = (call) => others.runInAsyncScope(call);

/** The code that a promise rejects with, or the value that it resolves to. */
export const codeOf = (promise) =>
  promise.then(
    (value) => value,
    (error) => error.code ?? error,
  );
