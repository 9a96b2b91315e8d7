import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { ENGINES } from './engines.mjs';
import { StorageManager } from './entry.mjs';

/** The engines that have a change log, so that they can be consumed. */
export const CONSUMED = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];

/** Waits until `condition` holds. */
export async function until(condition) {
  while (!(await condition())) await delay(5);
}

/** The events without what differs from store to store. */
export const keysOf = (events) => events.map(({ key }) => key);

/** A manager of one engine, closed after the test. `open()` makes another one on the same store. */
export async function managerOf(t, name, more = {}) {
  const config = await ENGINES[name].config(t);
  const open = (section = config) => {
    const storage = new StorageManager({ defaultEngine: name, [name]: section, ...more });
    t.teardown(() => storage.close());
    return storage;
  };
  return { storage: open(), open, config };
}

/** Defines a test for each engine that can be consumed. */
export function onEachConsumed(title, run, names = CONSUMED) {
  for (const name of names) {
    test(`${name}: ${title}`, async (t) => {
      const { storage, open, config } = await managerOf(t, name);
      await run(t, storage, { name, open, config, engine: storage.getEngine() });
    });
  }
}

/** A consumer that notes the keys of each call of its handler. */
export function noting(storage, name, pattern, options, handler) {
  const calls = [];
  const consumer = storage.consume(
    name,
    pattern,
    async (events, context) => {
      calls.push(keysOf(events));
      await handler?.(events, context);
    },
    options,
  );
  return { consumer, calls };
}
