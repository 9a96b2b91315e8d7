// The option strictUndefined of a manager.
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES } from '../helpers/engines.mjs';

/** A manager with the engine `name`, which it makes or is given. */
async function managerWith(t, name, options) {
  const config = await ENGINES[name].config(t);
  const storage = new StorageManager(
    name === 'custom'
      ? { ...options, defaultEngine: name, engines: { custom: config } }
      : { ...options, defaultEngine: name, [name]: config },
  );
  t.teardown(async () => {
    if (name === 'redis') await storage.getEngine().clear();
    await storage.close();
  });
  return storage;
}

/** Values with undefined in them, the path of it, and what JSON makes of them. */
const VALUES = [
  [{ a: undefined, b: 1 }, '$.a', { b: 1 }],
  [{ a: { b: [1, undefined] } }, '$.a.b[1]', { a: { b: [1, null] } }],
  [[undefined], '$[0]', [null]],
  [{ at: new Date(0), rest: undefined }, '$.rest', { at: new Date(0) }],
  [new Map([['a', [undefined]]]), '$[0][1][0]', new Map([['a', [null]]])],
  [{ a: { toJSON: () => undefined } }, '$.a', {}],
];

const writes = (data, value) => [
  () => data.set('k', value),
  () => data.set('k', value, { ttl: 60_000 }),
  () => data.set('k', 1, { metadata: value }),
  () => data.setMany([['k', value]]),
  () => data.batch([{ type: 'set', key: 'k', value }]),
  () => data.compareAndSet('k', null, value),
  () => new KeyValueStore(data, 'p').set('k', value),
];

for (const name of ENGINE_NAMES) {
  test(`${name}: with strictUndefined, undefined inside a value is refused with its path`, async (t) => {
    const storage = await managerWith(t, name, { strictUndefined: true });
    const engine = storage.getEngine();
    for (const [value, path] of VALUES) {
      for (const write of writes(engine, value)) {
        const error = await t.throwsAsync(write(), { code: 'UNSUPPORTED_VALUE' }, String(write));
        t.true(error.message.startsWith(`Cannot store undefined at ${path}`), error.message);
      }
      if (engine.capabilities.sync) t.throws(() => engine.setSync('k', value), { code: 'UNSUPPORTED_VALUE' });
      const transaction = storage.transaction(async (tx) => {
        for (const write of writes(tx, value)) await t.throwsAsync(write(), { code: 'UNSUPPORTED_VALUE' });
      });
      await transaction;
    }
    t.deepEqual(await engine.keys(), []);
    await engine.set('k', { a: null, b: [null], c: '', d: new Map([['a', 1]]) });
    t.deepEqual(await engine.get('k'), { a: null, b: [null], c: '', d: new Map([['a', 1]]) });
  });

  test(`${name}: without it, JSON's rules hold inside arrays and objects, and a Map refuses`, async (t) => {
    const storage = await managerWith(t, name, {});
    const engine = storage.getEngine();
    for (const [value, , stored] of VALUES) {
      await engine.set('k', value);
      t.deepEqual(await engine.get('k'), stored);
    }
    for (const value of [new Map([['a', undefined]]), new Set([undefined]), { m: new Map([[undefined, 1]]) }])
      for (const write of writes(engine, value)) await t.throwsAsync(write(), { code: 'UNSUPPORTED_VALUE' });
  });
}

test('strictUndefined is a boolean', (t) => {
  t.throws(() => new StorageManager({ strictUndefined: 'yes' }), { code: 'INVALID_ARGUMENT' });
});
