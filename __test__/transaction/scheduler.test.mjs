// Functions that run in transactions at the same time: their order, and that none waits for another for good.
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { codeOf, onEachTransactional as onEach } from '../helpers/transactions.mjs';

const memory = (t) => {
  const storage = new StorageManager({ defaultEngine: 'memory', memory: {} });
  t.teardown(() => storage.close());
  return storage;
};

/** A promise, and the function that resolves it. */
function gate() {
  let open;
  const passed = new Promise((resolve) => (open = resolve));
  return { passed, open };
}

onEach('a hundred that add to one counter at once are all counted', async (t, storage, engine) => {
  await engine.set('n', 0);
  await Promise.all(
    Array.from({ length: 100 }, () =>
      storage.transaction(async (tx) => tx.set('n', (await tx.get('n')) + 1), { retries: 1000 }),
    ),
  );
  t.is(await engine.get('n'), 100);
});

test('where the engine answers at once they run one behind the other, without a conflict', async (t) => {
  const storage = memory(t);
  const engine = storage.getEngine();
  await engine.set('n', 0);
  let inside = 0;
  let most = 0;
  const add = async (tx) => {
    most = Math.max(most, ++inside);
    const n = await tx.get('n');
    await tx.set('n', n + 1);
    inside--;
    return n;
  };
  const seen = await Promise.all(Array.from({ length: 200 }, () => storage.transaction(add)));
  t.deepEqual(
    seen,
    Array.from({ length: 200 }, (_, n) => n),
  );
  t.is(most, 1);
  t.is((await storage.stats()).transactions.conflicts, 0);
});

test('one that waits lets the others begin, and may wait for them', async (t) => {
  const storage = memory(t);
  const { passed, open } = gate();
  const first = storage.transaction(async (tx) => {
    await passed;
    await tx.set('first', true);
  });
  const others = [1, 2, 3].map((n) => storage.transaction(async (tx) => tx.set(`other/${n}`, n)));
  await Promise.all(others);
  // Those that come while it still waits begin, too.
  await storage.transaction(async (tx) => {
    await tx.set('last', true);
    open();
    await sleep(1);
  });
  await first;
  t.deepEqual(await storage.getEngine().keys(), ['first', 'last', 'other/1', 'other/2', 'other/3']);
});

test('one within another does not wait for its end', async (t) => {
  const storage = memory(t);
  await storage.transaction(async (tx) => {
    await tx.set('outer', 1);
    await storage.transaction((inner) => inner.set('inner', 1));
  });
  t.deepEqual(await storage.getEngine().keys(), ['inner', 'outer']);
});

test('one that fails, throws or is aborted while it waits lets the next one begin at once', async (t) => {
  const storage = memory(t);
  await storage.getEngine().count();
  // On a busy machine the answers themselves may give way to the event loop.
  for (let attempt = 1; await turnsDuring(t, storage); attempt++)
    t.true(attempt < 50, 'at some time none waited for another turn of the event loop');
});

/** Runs transactions that end in every way. Whether the event loop turned meanwhile. */
async function turnsDuring(t, storage) {
  const order = [];
  const late = new AbortController();
  const ran = (name) => async (tx) => {
    order.push(name);
    await tx.set(name, 1);
  };
  const all = [
    storage.transaction(async () => {
      await Promise.resolve();
      order.push('thrown');
      late.abort();
      throw new Error('mine');
    }),
    storage.transaction(ran('aborted'), { signal: late.signal }),
    storage.transaction(ran('never'), { signal: AbortSignal.abort() }),
    storage.transaction(ran('no engine'), { engine: 'missing' }),
    storage.transaction((tx) => tx.set('x', Symbol('no value'))),
    storage.transaction(ran('last')),
  ];
  let turned = false;
  void turn().then(() => (turned = true));
  const results = await Promise.allSettled(all);
  const wasTurned = turned;
  t.deepEqual(
    results.map(({ status, reason }) => (status === 'fulfilled' ? status : (reason.code ?? reason.message))),
    ['mine', 'ABORTED', 'ABORTED', 'ENGINE_NOT_FOUND', 'UNSUPPORTED_VALUE', 'fulfilled'],
  );
  t.deepEqual(order, ['thrown', 'last']);
  t.is(await codeOf(storage.transaction(ran('after'))), undefined);
  return wasTurned;
}
