// How transactions begin and end: by object, by id, by time, with their engine, their manager, their thread.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { KeyValueStore, StorageManager, Transaction, TransactionManager } from '../helpers/entry.mjs';
import { ENGINES } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';
import { codeOf, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const LEAVE_OPEN = new URL('programs/leave-open.mjs', import.meta.url);
const OPEN_IN_THREAD = new URL('programs/open-in-thread.mjs', import.meta.url);

const COMPLETED = { code: 'TRANSACTION_COMPLETED', name: 'StorageError', message: 'Transaction already completed' };

/** Every way of using a transaction. */
const USES = {
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

onEach('by id: list, commit, rollback', async (t, storage, engine) => {
  const [one, two, three] = await Promise.all([
    storage.beginTransaction(),
    storage.transactions.begin(),
    storage.beginTransaction(),
  ]);
  t.deepEqual(storage.transactions.list(), [one, two, three]);
  t.is(new Set([one.id, two.id, three.id]).size, 3);
  await one.set('one', 1);
  await two.set('two', 2);
  t.is(await storage.transactions.commit(one.id), undefined);
  t.is(await storage.transactions.rollback(two.id), undefined);
  t.deepEqual([one.status, two.status, three.status], ['committed', 'rolled_back', 'pending']);
  t.deepEqual(storage.transactions.list(), [three]);
  t.deepEqual(await engine.keys(), ['one']);
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
  await three.rollback();
  t.deepEqual(storage.transactions.list(), []);
});

onEach('disposal rolls back what is pending, and nothing else', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  await tx[Symbol.asyncDispose]();
  t.is(tx.status, 'rolled_back');
  const committed = await storage.beginTransaction();
  await committed.set('b', 1);
  await committed.commit();
  await committed[Symbol.asyncDispose]();
  t.is(committed.status, 'committed');
  t.deepEqual(await engine.keys(), ['b']);
});

onEach('one that idles for too long is rolled back; calls and commit say so', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction({ timeout: 60 });
  const other = await storage.beginTransaction();
  await tx.set('a', 2);
  while (tx.status === 'pending') await sleep(5);
  t.is(tx.status, 'rolled_back');
  for (const [name, use] of Object.entries(USES)) t.is(await codeOf(use(tx)), 'TRANSACTION_TIMEOUT', name);
  await tx[Symbol.asyncDispose]();
  t.deepEqual(storage.transactions.list(), [other]);
  t.is(await engine.get('a'), 1);
  t.is(await codeOf(storage.transactions.commit(tx.id)), 'TRANSACTION_NOT_FOUND');
  t.like((await storage.stats()).transactions, { active: 1, timeouts: 1, rolledBack: 1 });
});

test('calls keep a transaction from its timeout; 0 is none; the configuration gives the default', async (t) => {
  const storage = await managerOf(t, 'memory', { transactions: { timeout: 80 } });
  const busy = await storage.beginTransaction();
  const endless = await storage.beginTransaction({ timeout: 0 });
  const idle = await storage.beginTransaction();
  for (let count = 0; count < 20; count++) {
    await sleep(10);
    await busy.set('a', count);
  }
  t.deepEqual([busy.status, endless.status, idle.status], ['pending', 'pending', 'rolled_back']);
  await busy.commit();
  await endless.commit();
});

test('an open transaction keeps no process alive, and neither does its timeout', async (t) => {
  t.deepEqual(await program(LEAVE_OPEN), ['left open']);
});

onEach(
  'close rolls back open transactions, finishes commits, and refuses new ones',
  async (t, storage, engine, name) => {
    const tx = await storage.beginTransaction();
    await tx.set('a', 1);
    const unused = await storage.beginTransaction();
    const committing = await storage.beginTransaction();
    await committing.set('b', 1);
    const committed = committing.commit();
    const closed = storage.close();
    t.is(tx.status, 'rolled_back');
    await committed;
    await closed;
    t.is(committing.status, 'committed');
    for (const one of [tx, unused])
      for (const [called, use] of Object.entries(USES)) t.is(await codeOf(use(one)), 'CLOSED', called);
    t.is(await codeOf(storage.beginTransaction()), 'CLOSED');
    t.is(await codeOf(storage.transaction(() => t.fail())), 'CLOSED');
    t.deepEqual(storage.transactions.list(), []);
    t.truthy(name);
  },
);

onEach('an engine that is disconnected ends the transactions on it', async (t, storage, engine) => {
  const tx = await storage.beginTransaction();
  await tx.set('a', 1);
  const iterator = tx.entries();
  await iterator.next();
  const committing = await storage.beginTransaction();
  await committing.set('b', 1);
  const committed = committing.commit();
  await engine.disconnect();
  await committed;
  t.is(tx.status, 'rolled_back');
  t.is(await codeOf(tx.set('a', 2)), 'CLOSED');
  t.is(await codeOf(tx.commit()), 'CLOSED');
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

test('bad input is refused with what was expected', async (t) => {
  const storage = await managerOf(t, 'memory');
  const refused = async (promise, message) =>
    t.like(await t.throwsAsync(promise), { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', message });
  await refused(
    storage.beginTransaction({ timeout: -1 }),
    'Expected option timeout of beginTransaction to be a number of milliseconds, 0 or more, got -1',
  );
  await refused(
    storage.beginTransaction({ readOnly: 1 }),
    'Expected option readOnly of beginTransaction to be a boolean, got a number',
  );
  await refused(
    storage.beginTransaction({ engine: '' }),
    'Expected option engine of beginTransaction to be a non-empty string, got an empty string',
  );
  await refused(
    storage.beginTransaction({ readonly: true }),
    'Unknown option readonly of beginTransaction; did you mean readOnly?',
  );
  await refused(
    storage.beginTransaction('memory'),
    'Expected the options of beginTransaction to be an object, got a string',
  );
  await refused(storage.transaction(), 'Expected transaction to be given a function, got undefined');
  await refused(storage.transaction({}), 'Expected transaction to be given a function, got an object');
  await refused(
    storage.transaction(() => {}, { retries: 1.5 }),
    'Expected option retries of transaction to be an integer, 0 to 1000, got 1.5',
  );
  await refused(
    storage.transaction(() => {}, { signal: {} }),
    'Expected option signal of transaction to be an AbortSignal, got an object',
  );
  t.is(await codeOf(storage.beginTransaction({ engine: 'nowhere' })), 'ENGINE_NOT_FOUND');
  const tx = await storage.beginTransaction();
  t.throws(() => tx.engine('nowhere'), { code: 'ENGINE_NOT_FOUND', message: 'Storage engine not found: nowhere' });
  t.throws(() => tx.engine(5), { code: 'INVALID_ARGUMENT' });
  for (const wrong of [{ timeout: '5' }, { timeout: -1 }, { path: '' }, { path: 5 }, { idle: 5 }, 5]) {
    t.throws(() => new StorageManager({ transactions: wrong }), { code: 'INVALID_ARGUMENT' }, inspect(wrong));
  }
  t.deepEqual(storage.transactions.list(), [tx]);
});

test('a transaction shows its id and status, never data', async (t) => {
  const storage = await managerOf(t, 'memory');
  const tx = await storage.beginTransaction();
  await tx.set('key', 'secret');
  t.is(inspect(tx, { depth: 9 }), `Transaction { id: '${tx.id}', status: 'pending' }`);
  t.is(inspect(storage.transactions), 'TransactionManager { open: 1 }');
  t.true(tx instanceof Transaction);
  t.true(storage.transactions instanceof TransactionManager);
  await tx.rollback();
});
