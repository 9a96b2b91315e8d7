// Loops of awaited calls that are answered at once, in which the event loop has to go on all the same.
import { setTimeout } from 'node:timers';
import test from 'ava';
import { KeyValueStore, MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

/** Far more than a timer takes. Without an end, a loop that starves the event loop would never fail. */
const MOST = 60_000;

/** Calls again and again until a timer has fired. */
async function untilTimer(t, name, call) {
  let fired = false;
  setTimeout(() => (fired = true), 1);
  const begun = performance.now();
  for (let calls = 1; !fired; calls++) {
    await call();
    if (performance.now() - begun > MOST) return t.fail(`no timer fired during ${calls} calls of ${name}`);
  }
  t.pass();
}

const READS = {
  get: (engine) => engine.get('absent'),
  has: (engine) => engine.has('absent'),
  getEntry: (engine) => engine.getEntry('a'),
  getMany: (engine) => engine.getMany(['a', 'b']),
  count: (engine) => engine.count('a'),
  'get with a signal': (engine) => engine.get('a', { signal: new AbortController().signal }),
  'get of a store': (engine) => new KeyValueStore(engine, 'p').get('a'),
  entries: (engine) => collect(engine.entries()),
};
const WRITES = {
  set: (engine) => engine.set('b', 1),
  'set with ttl': (engine) => engine.set('b', 1, { ttl: 1_000_000 }),
  setMany: (engine) => engine.setMany([['b', 1]]),
  delete: (engine) => engine.delete('b'),
  increment: (engine) => engine.increment('n'),
  batch: (engine) => engine.batch([{ type: 'set', key: 'b', value: 2 }]),
  compareAndSet: (engine) => engine.compareAndSet('a', null, 2),
};
const REFUSALS = {
  'a condition that does not hold': (engine) => engine.set('a', 2, { ifAbsent: true }).catch(() => {}),
  'a key that is none': (engine) => engine.get('').catch(() => {}),
  'an aborted call': (engine) => engine.get('a', { signal: AbortSignal.abort() }).catch(() => {}),
  'an argument too many': (engine) => engine.get('a', {}, 1).catch(() => {}),
  connect: (engine) => engine.connect(),
};

onEach('a timer fires during a loop of awaited calls', async (t, engine, { name }) => {
  await engine.set('a', 1);
  const declared = name === 'custom' ? ['compareAndSet', 'getEntry', 'get of a store'] : [];
  for (const [what, call] of Object.entries({ ...READS, ...WRITES, ...REFUSALS })) {
    if (!declared.includes(what)) await untilTimer(t, what, () => call(engine));
  }
  if (!engine.capabilities.snapshots) return;
  await untilTimer(t, 'snapshot', async () => (await engine.snapshot()).close());
  const snapshot = await engine.snapshot();
  await untilTimer(t, 'get of a snapshot', () => snapshot.get('a'));
  await snapshot.close();
  await untilTimer(t, 'get of a closed snapshot', () => snapshot.get('a').catch(() => {}));
});

onEach('a timer fires during a loop of transactions', async (t, engine) => {
  const storage = new StorageManager({ engines: { mine: engine }, defaultEngine: 'mine' });
  await engine.set('a', 1);
  const run = (fn) => () => storage.transaction(fn);
  await untilTimer(
    t,
    'an empty transaction',
    run(async () => {}),
  );
  await untilTimer(
    t,
    'a transaction that reads',
    run((tx) => tx.get('a')),
  );
  await untilTimer(
    t,
    'a transaction that writes',
    run((tx) => tx.set('b', 1)),
  );
  await untilTimer(t, 'a transaction that fails', () =>
    storage.transaction(() => Promise.reject(new Error('no'))).catch(() => {}),
  );
  await untilTimer(t, 'stats', () => storage.stats());
  await untilTimer(t, 'rollback', async () => (await storage.beginTransaction()).rollback());
  const tx = await storage.beginTransaction();
  await untilTimer(t, 'get in a transaction', () => tx.get('a'));
  await untilTimer(t, 'set in a transaction', () => tx.set('a', 2));
  await tx.rollback();
  await untilTimer(t, 'get in a transaction that is over', () => tx.get('a').catch(() => {}));
  await untilTimer(t, 'commit of an unknown transaction', () => storage.transactions.commit('no').catch(() => {}));
  await storage.close();
  await untilTimer(t, 'a closed manager', () => storage.beginTransaction().catch(() => {}));
});

test('a timer fires during many loops at once', async (t) => {
  const engine = new MemoryStorage();
  await Promise.all(Array.from({ length: 10 }, (_, index) => untilTimer(t, 'get', () => engine.get(`${index}`))));
});

test('a timer fires during calls of a closed engine, and of a watch that has much to tell', async (t) => {
  const storage = new StorageManager();
  const engine = storage.getEngine('memory');
  const watch = engine.watch('*', { maxQueue: 1_000_000 });
  await watch.ready;
  await untilTimer(t, 'next of a watch', () => (engine.setSync('a', 1), watch.next()));
  await storage.close();
  await untilTimer(t, 'get of a closed engine', () => engine.get('a').catch(() => {}));
});

test('answers that give way are right, in order', async (t) => {
  const engine = new MemoryStorage();
  let next = 0;
  const settled = [];
  let fired = false;
  setTimeout(() => (fired = true), 20);
  while (!fired) {
    const from = next;
    const calls = Array.from({ length: 50 }, () => engine.increment('n').then((sum) => settled.push(sum)));
    next += calls.length;
    await Promise.all(calls);
    t.is(settled.length, next);
    t.true(settled.slice(from).every((sum, index) => sum === from + index + 1));
  }
});
