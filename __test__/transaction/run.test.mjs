// storage.transaction(fn): what it commits, when it tries again, and how it is given up.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { StorageError } from '../helpers/entry.mjs';
import { freshPrefix } from '../helpers/engines.mjs';
import { startRedis } from '../helpers/redis-server.mjs';
import { codeOf, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const FAST = { retry: { attempts: 3, minDelay: 1, maxDelay: 20 } };

onEach('it commits and gives what the function returned', async (t, storage, engine) => {
  const returned = await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    tx.set('b', 2); // not awaited
    return { done: true };
  });
  t.deepEqual(returned, { done: true });
  t.deepEqual(await engine.getMany(['a', 'b']), [1, 2]);
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
  t.is(
    await t.throwsAsync(
      storage.transaction(() => {
        throw mine;
      }),
    ),
    mine,
    'thrown without a promise too',
  );
  t.is(
    await storage
      .transaction(() => {
        throw 'text';
      })
      .catch((thrown) => thrown),
    'text',
  );
  t.is(await engine.count(), 0);
  t.deepEqual(storage.transactions.list(), []);
});

onEach(
  'a conflict runs it again from the start, and is told',
  async (t, storage, engine, name) => {
    await engine.set('n', 1);
    const events = [];
    storage.on('retry', (event) => events.push(event));
    let runs = 0;
    await storage.transaction(async (tx) => {
      const n = await tx.get('n');
      if (++runs < 4) await engine.increment('n', 10);
      await tx.set('n', n + 1);
    });
    t.is(runs, 4);
    t.is(await engine.get('n'), 32);
    t.deepEqual(
      events.map(({ attempt }) => attempt),
      [2, 3, 4],
    );
    for (const event of events) t.like(event, { engine: name, operation: 'transaction' });
    t.is(events[0].error.code, 'CONFLICT');
    t.is(events[0].delay, 0);
    t.true(events.every(({ delay }) => delay >= 0 && delay <= 20));
    t.like((await storage.stats()).transactions, { active: 0, committed: 1, rolledBack: 3, conflicts: 3, retries: 3 });
  },
  undefined,
  FAST,
);

onEach(
  'a hundred that want one key all get it',
  async (t, storage, engine) => {
    await Promise.all(
      Array.from({ length: 100 }, () =>
        storage.transaction(async (tx) => tx.set('n', ((await tx.get('n')) ?? 0) + 1), { retries: 100 }),
      ),
    );
    t.is(await engine.get('n'), 100);
  },
  undefined,
  FAST,
);

test('retries are bounded, and can be none', async (t) => {
  const storage = await managerOf(t, 'memory', FAST);
  const engine = storage.getEngine();
  for (const [options, expected] of [
    [{ retries: 0 }, 1],
    [{ retries: 2 }, 3],
    [undefined, 11],
  ]) {
    let runs = 0;
    const running = storage.transaction(async (tx) => {
      runs++;
      await tx.get('a');
      await engine.increment('a');
      await tx.set('b', 1);
    }, options);
    await t.throwsAsync(running, { code: 'CONFLICT' });
    t.is(runs, expected);
  }
  t.false(await engine.has('b'));
});

test('a CONFLICT that the function throws is tried again; a condition of its own that fails is not', async (t) => {
  const storage = await managerOf(t, 'memory', FAST);
  let runs = 0;
  await storage.transaction(() => {
    if (++runs < 3) throw new StorageError('CONFLICT', 'somewhere else');
  });
  t.is(runs, 3);
  await storage.getEngine().set('a', 1);
  const conditions = [
    (tx) => tx.set('a', 2, { ifAbsent: true }),
    (tx) => tx.set('a', 2, { ifVersion: 'ff' }),
    (tx) => tx.setMany([['a', 2]], { ifAbsent: true }),
    (tx) => tx.batch([{ type: 'check', key: 'a', version: null }]),
  ];
  for (const condition of conditions) {
    runs = 0;
    await t.throwsAsync(
      storage.transaction((tx) => {
        runs++;
        return condition(tx);
      }),
      { code: 'CONFLICT' },
    );
    t.is(runs, 1, String(condition));
  }
});

test('errors that will not pass, and those of user code, are not tried again', async (t) => {
  const storage = await managerOf(t, 'memory', FAST);
  for (const make of [
    () => new Error('x'),
    () => new StorageError('UNKNOWN_OUTCOME', 'x'),
    () => new StorageError('IO', 'x'),
    () => new StorageError('NO_SPACE', 'x'),
  ]) {
    let runs = 0;
    await t.throwsAsync(
      storage.transaction(() => {
        runs++;
        throw make();
      }),
    );
    t.is(runs, 1);
  }
});

onEach('a function may end its transaction itself', async (t, storage, engine) => {
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.commit();
      return 'by hand';
    }),
    'by hand',
  );
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('b', 1);
      await tx.rollback();
      return 'dropped';
    }),
    'dropped',
  );
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('c', 1);
      tx.commit();
      return 'not awaited';
    }),
    'not awaited',
  );
  t.deepEqual(await engine.keys(), ['a', 'c']);
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

onEach('a signal rolls back and ends the wait', async (t, storage, engine) => {
  const reason = new Error('enough');
  const already = AbortSignal.abort(reason);
  const refused = await t.throwsAsync(
    storage.transaction(() => t.fail('it must not run'), { signal: already }),
    { code: 'ABORTED', name: 'AbortError' },
  );
  t.is(refused.cause, reason);
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

test('a signal ends the pause between two attempts; a close too', async (t) => {
  const storage = await managerOf(t, 'memory', { retry: { minDelay: 60_000, maxDelay: 60_000 } });
  const conflict = () => {
    throw new StorageError('CONFLICT', 'again');
  };
  const controller = new AbortController();
  const paused = storage.transaction(conflict, { signal: controller.signal });
  const closing = storage.transaction(conflict);
  await new Promise((resolve) => storage.on('retry', ({ delay }) => delay > 1_000 && resolve()));
  controller.abort();
  await t.throwsAsync(paused, { code: 'ABORTED' });
  await storage.close();
  await t.throwsAsync(closing, { code: 'CLOSED' });
});

test('a server that is away is tried again as often as the configuration says, and told', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const storage = await managerOf(t, 'memory', {
    redis: { url: server.url, keyPrefix: freshPrefix(), connectTimeout: 200, commandTimeout: 200 },
    ...FAST,
  });
  await storage.getEngine('redis').connect();
  await server.stop();
  const events = [];
  storage.on('retry', (event) => events.push(event));
  let runs = 0;
  const error = await t.throwsAsync(
    storage.transaction(
      async (tx) => {
        runs++;
        await tx.get('a');
      },
      { engine: 'redis' },
    ),
  );
  t.true(['CONNECTION', 'TIMEOUT'].includes(error.code));
  t.is(runs, 3);
  t.deepEqual(
    events.map(({ engine, operation }) => [engine, operation]),
    [
      ['redis', 'transaction'],
      ['redis', 'transaction'],
    ],
  );
});
