// A KeyValueStore over a transaction.
import { KeyValueStore } from '../helpers/entry.mjs';
import { collect } from '../helpers/engines.mjs';
import { onEachTransactional as onEach } from '../helpers/transactions.mjs';

/** A store over a transaction, which has changed it, and one outside with two records beside a foreign key. */
async function stores(storage, engine) {
  const outside = new KeyValueStore(engine, 'settings');
  await outside.mset([
    ['theme', 'dark'],
    ['size', 1],
  ]);
  await engine.set('other', 1);
  const tx = await storage.beginTransaction();
  const inside = new KeyValueStore(tx, 'settings');
  await inside.set('lang', 'fa');
  await inside.delete('size');
  await new KeyValueStore(tx, 'settings/deep').set('x', 1);
  return { tx, inside, outside };
}

onEach('a key-value store inside reads and lists what the transaction wrote', async (t, storage, engine) => {
  const { inside } = await stores(storage, engine);
  t.deepEqual(await inside.keys(), ['deep/x', 'lang', 'theme']);
  t.is(await inside.count('*e*'), 2);
  t.deepEqual(await collect(inside.entries({ lt: 'm' })), [
    ['deep/x', 1],
    ['lang', 'fa'],
  ]);
  t.deepEqual(await inside.mget(['theme', 'size']), ['dark', null]);
  t.is(await inside.increment('n'), 1);
});

onEach('a key-value store inside is seen outside with the commit', async (t, storage, engine) => {
  const { tx, inside, outside } = await stores(storage, engine);
  await inside.clear();
  t.is(await inside.count(), 0);
  await inside.set('theme', 'light');
  t.deepEqual(await outside.keys(), ['size', 'theme']);
  await tx.commit();
  t.deepEqual(await engine.keys(), ['other', 'settings/theme']);
  t.is(await outside.get('theme'), 'light');
});
