// Transactions that idle for longer than their timeout are rolled back.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { USES, codeOf, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

/** A transaction that wrote and then idled for longer than its timeout. */
async function timedOut(storage) {
  const tx = await storage.beginTransaction({ timeout: 60 });
  await tx.set('a', 2);
  while (tx.status === 'pending') await sleep(5);
  return tx;
}

onEach('one that idles for too long is rolled back', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await timedOut(storage);
  t.is(tx.status, 'rolled_back');
  t.is(await engine.get('a'), 1);
  await tx[Symbol.asyncDispose]();
});

onEach('calls, commit and rollback of one that idled for too long say so', async (t, storage) => {
  const tx = await timedOut(storage);
  for (const [name, use] of Object.entries(USES)) t.is(await codeOf(use(tx)), 'TRANSACTION_TIMEOUT', name);
});

onEach('one that idled for too long is not listed, and its id not found', async (t, storage) => {
  const other = await storage.beginTransaction();
  const tx = await timedOut(storage);
  t.deepEqual(storage.transactions.list(), [other]);
  t.is(await codeOf(storage.transactions.commit(tx.id)), 'TRANSACTION_NOT_FOUND');
});

onEach('timeouts are counted', async (t, storage) => {
  await storage.beginTransaction();
  await timedOut(storage);
  t.like((await storage.stats()).transactions, { active: 1, timeouts: 1, rolledBack: 1 });
});

test('the configuration gives the timeout of transactions without one of their own', async (t) => {
  const storage = await managerOf(t, 'memory', { transactions: { timeout: 80 } });
  const idle = await storage.beginTransaction();
  while (idle.status === 'pending') await sleep(5);
  t.is(idle.status, 'rolled_back');
});

test('calls keep a transaction from its timeout', async (t) => {
  const storage = await managerOf(t, 'memory', { transactions: { timeout: 2000 } });
  const busy = await storage.beginTransaction();
  for (let count = 0; count < 20; count++) {
    await sleep(150);
    await busy.set('a', count);
  }
  t.is(busy.status, 'pending');
  await busy.commit();
});

test('a timeout of 0 is none', async (t) => {
  const storage = await managerOf(t, 'memory', { transactions: { timeout: 80 } });
  const endless = await storage.beginTransaction({ timeout: 0 });
  await sleep(200);
  t.is(endless.status, 'pending');
  await endless.commit();
});
