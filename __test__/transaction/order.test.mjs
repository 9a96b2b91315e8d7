// The order in which the calls of a transaction take effect.
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

onEach('calls take effect in the order made, also those nobody waits for', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const calls = [
    tx.set('a', 1),
    tx.get('a'),
    tx.set('a', 2),
    tx.keys(),
    tx.increment('a'),
    tx.delete('b'),
    tx.set('b', 1),
    tx.count(),
    tx.clear(),
    tx.set('c', 3),
  ];
  await tx.commit();
  t.deepEqual(await Promise.all(calls), [undefined, 1, undefined, ['a'], 3, false, undefined, 2, undefined, undefined]);
  t.deepEqual(await engine.keys(), ['c']);
});

onEach('a call made after the commit was asked for is refused', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  const write = tx.set('c', 3);
  const committed = tx.commit();
  const late = tx.set('late', 1);
  t.is(await codeOf(late), 'TRANSACTION_COMPLETED');
  await Promise.all([write, committed]);
  t.deepEqual(await engine.keys(), ['c']);
});

onEach('one begun before the engine is open keeps its order too', async (t, storage, engine) => {
  t.is(engine.status, 'idle');
  const tx = await storage.beginTransaction();
  t.is(engine.status, 'idle', 'beginning opens nothing');
  const calls = [tx.set('a', 1), tx.set('a', 2), tx.get('a')];
  await tx.commit();
  t.deepEqual(await Promise.all(calls), [undefined, undefined, 2]);
  t.is(await engine.get('a'), 2);
});
