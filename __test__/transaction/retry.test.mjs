// storage.transaction(fn) runs the function again after errors that may pass.
import test from 'ava';
import { StorageError } from '../helpers/entry.mjs';
import { freshPrefix } from '../helpers/engines.mjs';
import { startRedis } from '../helpers/redis-server.mjs';
import { byOthers, managerOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const FAST = { retry: { attempts: 3, minDelay: 1, maxDelay: 20 } };

/** Runs a function that conflicts three times, and gives how often it was run. */
async function conflictThreeTimes(storage, engine) {
  await engine.set('n', 1);
  let runs = 0;
  await storage.transaction(async (tx) => {
    const n = await tx.get('n');
    if (++runs < 4) await byOthers(() => engine.increment('n', 10));
    await tx.set('n', n + 1);
  });
  return runs;
}

onEach(
  'a conflict runs it again from the start',
  async (t, storage, engine) => {
    const runs = await conflictThreeTimes(storage, engine);
    t.is(runs, 4);
    t.is(await engine.get('n'), 32);
  },
  undefined,
  FAST,
);

onEach(
  'a conflict is told by the event retry',
  async (t, storage, engine, name) => {
    const events = [];
    storage.on('retry', (event) => events.push(event));
    await conflictThreeTimes(storage, engine);
    t.deepEqual(
      events.map(({ attempt }) => attempt),
      [2, 3, 4],
    );
    for (const event of events) t.like(event, { engine: name, operation: 'transaction' });
    t.is(events[0].error.code, 'CONFLICT');
    t.is(events[0].delay, 0);
    t.true(events.every(({ delay }) => delay >= 0 && delay <= 20));
  },
  undefined,
  FAST,
);

onEach(
  'conflicts and retries are counted',
  async (t, storage, engine) => {
    await conflictThreeTimes(storage, engine);
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
      await byOthers(() => engine.increment('a'));
      await tx.set('b', 1);
    }, options);
    await t.throwsAsync(running, { code: 'CONFLICT' });
    t.is(runs, expected);
  }
  t.false(await engine.has('b'));
});

test('a CONFLICT that the function throws is tried again', async (t) => {
  const storage = await managerOf(t, 'memory', FAST);
  let runs = 0;
  await storage.transaction(() => {
    if (++runs < 3) throw new StorageError('CONFLICT', 'somewhere else');
  });
  t.is(runs, 3);
});

test('a condition of its own that fails is not tried again', async (t) => {
  const storage = await managerOf(t, 'memory', FAST);
  let runs = 0;
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

const conflict = () => {
  throw new StorageError('CONFLICT', 'again');
};

/** Resolves once a function of the manager waits for its next attempt. */
const paused = (storage) => new Promise((resolve) => storage.on('retry', ({ delay }) => delay > 1_000 && resolve()));

test('a signal ends the pause between two attempts', async (t) => {
  const storage = await managerOf(t, 'memory', { retry: { minDelay: 60_000, maxDelay: 60_000 } });
  const controller = new AbortController();
  const aborted = storage.transaction(conflict, { signal: controller.signal });
  await paused(storage);
  controller.abort();
  await t.throwsAsync(aborted, { code: 'ABORTED' });
});

test('close ends the pause between two attempts', async (t) => {
  const storage = await managerOf(t, 'memory', { retry: { minDelay: 60_000, maxDelay: 60_000 } });
  const closing = storage.transaction(conflict);
  await paused(storage);
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
