// Watches of a key-value store, and clears of one.
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { onEachWatched, plain, take } from '../helpers/watching.mjs';

/** Three changes of a store with the prefix settings, and one beside it. */
async function change(engine) {
  await engine.set('settingsx', 1);
  await new KeyValueStore(engine, 'settings').mset([
    ['theme', 'dark'],
    ['ui:size', 2],
  ]);
  await new KeyValueStore(engine, 'settings/nested').set('a', 3);
}

onEachWatched('a key-value store tells its own keys, without the prefix', async (t, engine) => {
  const watch = new KeyValueStore(engine, 'settings').watch();
  await watch.ready;
  await change(engine);
  t.deepEqual((await take(watch, 3)).map(plain), [
    { type: 'set', key: 'theme', value: 'dark' },
    { type: 'set', key: 'ui:size', value: 2 },
    { type: 'set', key: 'nested/a', value: 3 },
  ]);
  await watch.return();
});

onEachWatched('a pattern of a key-value store applies to keys without the prefix', async (t, engine) => {
  const some = new KeyValueStore(engine, 'settings').watch('u[i]:*');
  await some.ready;
  await change(engine);
  t.deepEqual((await take(some, 1)).map(plain), [{ type: 'set', key: 'ui:size', value: 2 }]);
  await some.return();
});

/** A store with two records beside one of the engine, and watches of both. */
async function filled(engine) {
  const settings = new KeyValueStore(engine, 'settings');
  await settings.mset([
    ['a', 1],
    ['b', 2],
  ]);
  await engine.set('c', 3);
  const [all, own] = [engine.watch(), settings.watch()];
  await Promise.all([all.ready, own.ready]);
  return { settings, all, own };
}

onEachWatched('a clear of a key-value store is one event', async (t, engine, { name }) => {
  const { settings, all, own } = await filled(engine);
  await settings.clear();
  // A custom engine is told to delete key by key.
  const parts =
    name === 'custom'
      ? [
          { type: 'delete', key: 'settings/a' },
          { type: 'delete', key: 'settings/b' },
        ]
      : [{ type: 'clear', range: { prefix: 'settings/' } }];
  t.deepEqual((await take(all, parts.length)).map(plain), parts);
  t.deepEqual(
    (await take(own, parts.length)).map(plain),
    name === 'custom'
      ? [
          { type: 'delete', key: 'a' },
          { type: 'delete', key: 'b' },
        ]
      : [{ type: 'clear' }],
  );
  await all.return();
  await own.return();
});

onEachWatched('a clear of the engine is one event without a range', async (t, engine) => {
  const { settings, all, own } = await filled(engine);
  await settings.set('d', 4);
  await engine.clear();
  t.deepEqual((await take(all, 2)).map(plain), [{ type: 'set', key: 'settings/d', value: 4 }, { type: 'clear' }]);
  t.deepEqual((await take(own, 2)).map(plain), [{ type: 'set', key: 'd', value: 4 }, { type: 'clear' }]);
  await all.return();
  await own.return();
});

onEachWatched(
  'a key-value store over a transaction cannot be watched',
  async (t, engine) => {
    await new StorageManager({ engines: { it: engine } }).transaction(
      async (tx) => {
        await t.throwsAsync(new KeyValueStore(tx, 'p').watch().next(), { code: 'NOT_SUPPORTED' });
      },
      { engine: 'it' },
    );
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);
