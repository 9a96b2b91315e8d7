// storage.transaction(fn) commits what the function wrote, or rolls it back.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { StorageError } from '../helpers/entry.mjs';
import { codeOf, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

onEach('it commits and gives what the function returned', async (t, storage, engine) => {
  const returned = await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    tx.set('b', 2); // not awaited
    return { done: true };
  });
  t.deepEqual(returned, { done: true });
  t.deepEqual(await engine.getMany(['a', 'b']), [1, 2]);
});

onEach('a function that returns no promise will do', async (t, storage) => {
  t.is(await storage.transaction(() => 5), 5, 'a plain function will do');
});

onEach('it rolls back and throws what the function threw', async (t, storage, engine) => {
  const mine = new Error('mine');
  const error = await t.throwsAsync(
    storage.transaction(async (tx) => {
      await tx.set('a', 1);
      throw mine;
    }),
  );
  t.is(error, mine);
  t.is(await engine.count(), 0);
  t.deepEqual(storage.transactions.list(), []);
});

onEach('it throws what the function threw before it returned a promise', async (t, storage) => {
  const mine = new Error('mine');
  t.is(
    await t.throwsAsync(
      storage.transaction(() => {
        throw mine;
      }),
    ),
    mine,
    'thrown without a promise too',
  );
});

onEach('it throws what is no error as it was thrown', async (t, storage) => {
  t.is(
    await storage
      .transaction(() => {
        throw 'text';
      })
      .catch((thrown) => thrown),
    'text',
  );
});

onEach('a function may commit its transaction itself', async (t, storage, engine) => {
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.commit();
      return 'by hand';
    }),
    'by hand',
  );
  t.deepEqual(await engine.keys(), ['a']);
});

onEach('a function may roll its transaction back itself', async (t, storage, engine) => {
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('b', 1);
      await tx.rollback();
      return 'dropped';
    }),
    'dropped',
  );
  t.deepEqual(await engine.keys(), []);
});

onEach('a function need not await the commit it asks for', async (t, storage, engine) => {
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('c', 1);
      tx.commit();
      return 'not awaited';
    }),
    'not awaited',
  );
  t.deepEqual(await engine.keys(), ['c']);
});

onEach('a function that throws behind its own commit is not run again', async (t, storage, engine) => {
  let runs = 0;
  const late = storage.transaction(async (tx) => {
    runs++;
    await tx.set('d', 1);
    await tx.commit();
    throw new StorageError('CONFLICT', 'too late');
  });
  await t.throwsAsync(late, { message: 'too late' });
  t.is(runs, 1, 'what was applied is not applied again');
  t.is(await engine.get('d'), 1);
});

test('a function that outlives its transaction’s timeout is told', async (t) => {
  const storage = await managerOf(t, 'memory');
  const running = storage.transaction(
    async (tx) => {
      await tx.set('a', 1);
      while (tx.status === 'pending') await sleep(5);
    },
    { timeout: 30 },
  );
  await t.throwsAsync(running, { code: 'TRANSACTION_TIMEOUT' });
  t.false(await storage.getEngine().has('a'));
});

test('a signal that was aborted before lets nothing run', async (t) => {
  const storage = await managerOf(t, 'memory');
  const reason = new Error('enough');
  const already = AbortSignal.abort(reason);
  const refused = await t.throwsAsync(
    storage.transaction(() => t.fail('it must not run'), { signal: already }),
    { code: 'ABORTED', name: 'AbortError' },
  );
  t.is(refused.cause, reason);
});

onEach('a signal rolls back and ends the wait', async (t, storage, engine) => {
  const reason = new Error('enough');
  const controller = new AbortController();
  let inside;
  const running = storage.transaction(
    async (tx) => {
      await tx.set('a', 1);
      inside = tx;
      controller.abort(reason);
      await new Promise(() => {}); // would never come back
    },
    { signal: controller.signal },
  );
  await t.throwsAsync(running, { code: 'ABORTED' });
  t.is(inside.status, 'rolled_back');
  t.is(await codeOf(inside.set('b', 1)), 'ABORTED');
  t.is(await engine.count(), 0);
});
