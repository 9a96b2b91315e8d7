// Changes of others that make a transaction fail, and changes that it does not see.
import { collect } from '../helpers/engines.mjs';
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const SNAPSHOTS = ['memory', 'file', 'sqlite', 'leveldb'];

onEach(
  'reads are of the moment of the first, whatever others write',
  async (t, storage, engine) => {
    await engine.setMany([
      ['a', 1],
      ['b', 1],
    ]);
    const tx = await storage.beginTransaction({ readOnly: true });
    t.is(await tx.get('a'), 1);
    await engine.setMany([
      ['a', 2],
      ['b', 2],
      ['c', 2],
    ]);
    await engine.delete('b');
    t.is(await tx.get('a'), 1);
    t.is(await tx.get('b'), 1);
    t.deepEqual(await tx.keys(), ['a', 'b']);
    t.deepEqual(await collect(tx.entries()), [
      ['a', 1],
      ['b', 1],
    ]);
    t.is(await tx.count(), 2);
    await tx.commit();
    t.deepEqual(await engine.keys(), ['a', 'c']);
  },
  SNAPSHOTS,
);

onEach('a key that was read and then changed by someone else is a CONFLICT', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  t.is(await tx.get('a'), 1);
  await tx.set('b', 1);
  await engine.set('a', 2);
  const error = await t.throwsAsync(tx.commit(), { code: 'CONFLICT', name: 'StorageError' });
  t.true(error.retryable);
  t.is(error.operation, 'commit');
  t.is(tx.status, 'rolled_back');
  t.false(await engine.has('b'));
  t.is(await codeOf(tx.commit()), 'TRANSACTION_COMPLETED');
});

onEach('absence is read too, and so are ranges: a phantom is a CONFLICT', async (t, storage, engine) => {
  const reads = [
    (tx) => tx.get('p/1'),
    (tx) => tx.has('p/1'),
    (tx) => tx.getEntry('p/1'),
    (tx) => tx.getMany(['x', 'p/1']),
    (tx) => tx.keys('p/*'),
    (tx) => tx.count({ prefix: 'p/' }),
    (tx) => collect(tx.entries({ gt: 'p', lt: 'q' })),
    (tx) => collect(tx.keysIterator({ reverse: true })),
  ];
  for (const [index, read] of reads.entries()) {
    const tx = await storage.beginTransaction();
    await read(tx);
    await tx.set('mine', index);
    await engine.set('p/1', index);
    t.is(await codeOf(tx.commit()), 'CONFLICT', String(read));
    await engine.delete('p/1');
  }
  t.false(await engine.has('mine'));
});

onEach('what was not read may change', async (t, storage, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 1],
    ['z', 1],
  ]);
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await tx.set('c', 1);
  await engine.set('b', 2);
  await tx.commit();
  t.deepEqual(await engine.getMany(['b', 'c']), [2, 1]);
});

onEach('writes without reads do not conflict', async (t, storage, engine) => {
  const blind = await storage.beginTransaction();
  await blind.set('b', 'blind');
  await engine.set('b', 3);
  await blind.commit();
  t.is(await engine.get('b'), 'blind');
});

onEach('one that only read commits whatever happened', async (t, storage, engine) => {
  await engine.set('a', 1);
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await engine.set('a', 2);
  await tx.commit();
  t.is(tx.status, 'committed');
});
