// How transactions begin and end: by object, by id, with their engine, their manager, their thread.
import { once } from 'node:events';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { StorageManager, Transaction, TransactionManager } from '../helpers/entry.mjs';
import { ENGINES } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';
import { USES, codeOf, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const LEAVE_OPEN = new URL('programs/leave-open.mjs', import.meta.url);
const OPEN_IN_THREAD = new URL('programs/open-in-thread.mjs', import.meta.url);

const COMPLETED = { code: 'TRANSACTION_COMPLETED', name: 'StorageError', message: 'Transaction already completed' };

onEach('a finished transaction refuses every further use', async (t, storage, engine) => {
  for (const end of ['commit', 'rollback']) {
    for (const used of [true, false]) {
      const tx = await storage.beginTransaction();
      if (used) await tx.set('k', end);
      await tx[end]();
      for (const [name, use] of Object.entries(USES)) await t.throwsAsync(use(tx), COMPLETED, `${name} after ${end}`);
    }
  }
  t.is(await engine.get('k'), 'commit');
  t.false(await engine.has('a'));
});

onEach('one that was begun is pending, and has an id', async (t, storage) => {
  const tx = await storage.beginTransaction();
  t.is(tx.status, 'pending');
  t.regex(tx.id, /^tx_\d{13}_[0-9a-z]{9}$/);
});

onEach('those that are pending are listed, under different ids', async (t, storage) => {
  const all = await Promise.all([storage.beginTransaction(), storage.transactions.begin(), storage.beginTransaction()]);
  t.deepEqual(storage.transactions.list(), all);
  t.is(new Set(all.map(({ id }) => id)).size, 3);
  const [one, two, three] = all;
  await one.commit();
  await two.rollback();
  t.deepEqual(storage.transactions.list(), [three]);
  await three.rollback();
  t.deepEqual(storage.transactions.list(), []);
});

onEach('an id commits or rolls back as the object does', async (t, storage, engine) => {
  const [one, two, three] = await Promise.all([
    storage.beginTransaction(),
    storage.transactions.begin(),
    storage.beginTransaction(),
  ]);
  await one.set('one', 1);
  await two.set('two', 2);
  t.is(await storage.transactions.commit(one.id), undefined);
  t.is(await storage.transactions.rollback(two.id), undefined);
  t.deepEqual([one.status, two.status, three.status], ['committed', 'rolled_back', 'pending']);
  t.deepEqual(await engine.keys(), ['one']);
});

onEach('an id of no pending transaction is not found', async (t, storage) => {
  const [one, two] = [await storage.beginTransaction(), await storage.beginTransaction()];
  await one.commit();
  await two.rollback();
  for (const id of [one.id, two.id, 'tx_0_nothing', '']) {
    await t.throwsAsync(storage.transactions.commit(id), {
      code: 'TRANSACTION_NOT_FOUND',
      message: `Transaction not found: ${id}`,
    });
    await t.throwsAsync(storage.transactions.rollback(id), {
      code: 'TRANSACTION_NOT_FOUND',
      message: `Transaction not found: ${id}`,
    });
  }
  await t.throwsAsync(storage.transactions.commit(5), { code: 'INVALID_ARGUMENT' });
});

onEach('disposal rolls back what is pending', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  await tx[Symbol.asyncDispose]();
  t.is(tx.status, 'rolled_back');
  t.deepEqual(await engine.keys(), []);
});

onEach('disposal leaves what was committed', async (t, storage, engine) => {
  const committed = await storage.beginTransaction();
  await committed.set('b', 1);
  await committed.commit();
  await committed[Symbol.asyncDispose]();
  t.is(committed.status, 'committed');
  t.deepEqual(await engine.keys(), ['b']);
});

test('an open transaction keeps no process alive, and neither does its timeout', async (t) => {
  t.deepEqual(await program(LEAVE_OPEN), ['left open']);
});

onEach('close rolls back open transactions, whose calls say CLOSED', async (t, storage) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  const unused = await storage.beginTransaction();
  const closed = storage.close();
  t.is(tx.status, 'rolled_back');
  await closed;
  for (const one of [tx, unused])
    for (const [called, use] of Object.entries(USES)) t.is(await codeOf(use(one)), 'CLOSED', called);
  t.deepEqual(storage.transactions.list(), []);
});

onEach('close finishes commits that are under way', async (t, storage) => {
  const open = await storage.beginTransaction();
  await open.set('a', 1);
  const committing = await storage.beginTransaction();
  await committing.set('b', 1);
  const committed = committing.commit();
  const closed = storage.close();
  await committed;
  await closed;
  t.is(committing.status, 'committed');
});

onEach('a closed manager begins no transaction', async (t, storage) => {
  await storage.close();
  t.is(await codeOf(storage.beginTransaction()), 'CLOSED');
  t.is(await codeOf(storage.transaction(() => t.fail())), 'CLOSED');
});

onEach('a disconnect of an engine ends the transactions on it', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  const iterator = tx.entries();
  await iterator.next();
  await engine.disconnect();
  t.is(tx.status, 'rolled_back');
  t.is(await codeOf(tx.set('a', 2)), 'CLOSED');
  t.is(await codeOf(tx.commit()), 'CLOSED');
});

onEach('a disconnect of an engine finishes commits that are under way', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  const committing = await storage.beginTransaction();
  await committing.set('b', 1);
  const committed = committing.commit();
  await engine.disconnect();
  await committed;
  t.deepEqual(await engine.keys(), ['b'], 'and the engine opens again');
});

onEach(
  'a hundred at a time, each with its own writes',
  async (t, storage, engine) => {
    const all = await Promise.all(Array.from({ length: 100 }, () => storage.beginTransaction()));
    await Promise.all(
      all.map(async (tx, index) => {
        await tx.setMany([
          [`k${index}/a`, index],
          [`k${index}/b`, index],
        ]);
        t.deepEqual(await tx.getMany([`k${index}/a`, `k${(index + 1) % 100}/a`]), [index, null]);
      }),
    );
    const ends = await Promise.all(all.map((tx, index) => (index % 2 === 0 ? tx.commit() : tx.rollback())));
    t.is(ends.length, 100);
    t.is(await engine.count(), 100);
    t.deepEqual(storage.transactions.list(), []);
  },
  ['memory', 'file', 'sqlite', 'leveldb'],
);

for (const name of ['memory', 'file', 'sqlite', 'leveldb']) {
  test(`${name}: a thread that is terminated with an open transaction leaves nothing behind`, async (t) => {
    const options = await ENGINES[name].config(t);
    const worker = new Worker(OPEN_IN_THREAD, { workerData: { name, options } });
    await once(worker, 'message');
    await worker.terminate();
    const storage = new StorageManager({ defaultEngine: name, [name]: options });
    t.deepEqual(await storage.getEngine().keys(), name === 'memory' ? [] : ['before']);
    await storage.transaction((tx) => tx.set('a', 2));
    t.is(await storage.getEngine().get('a'), 2);
    await storage.close();
  });
}

test('an inspected transaction shows its id and status, never data', async (t) => {
  const storage = await managerOf(t, 'memory');
  const tx = await storage.beginTransaction();
  await tx.set('key', 'secret');
  t.is(inspect(tx, { depth: 9 }), `Transaction { id: '${tx.id}', status: 'pending' }`);
  t.is(inspect(storage.transactions), 'TransactionManager { open: 1 }');
  await tx.rollback();
});

test('transactions and their manager are of the classes that the package exports', async (t) => {
  const storage = await managerOf(t, 'memory');
  const tx = await storage.beginTransaction();
  t.true(tx instanceof Transaction);
  t.true(storage.transactions instanceof TransactionManager);
  await tx.rollback();
});
