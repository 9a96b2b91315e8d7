// Transactions on engines that a user writes: the same as on the built-in ones, with a log where batches are not atomic.
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { collect, folderOf } from '../helpers/engines.mjs';
import { BareEngine, FullEngine } from '../helpers/map-engine.mjs';
import { program, running } from '../helpers/program.mjs';
import { codeOf } from '../helpers/transactions.mjs';

const USE_CUSTOM_ENGINE = new URL('programs/use-custom-engine.mjs', import.meta.url);
const HANG_IN_THREAD = new URL('programs/hang-in-thread.mjs', import.meta.url);
const FILL_STORED_ENGINE = new URL('programs/fill-stored-engine.mjs', import.meta.url);
const COMMIT_STORED_ENGINE = new URL('programs/commit-stored-engine.mjs', import.meta.url);
const READ_STORED_ENGINE = new URL('programs/read-stored-engine.mjs', import.meta.url);

const OURS = '.holdfast~';

function managerOf(t, target, more = {}) {
  const folder = folderOf(t);
  const storage = new StorageManager({
    defaultEngine: 'mine',
    engines: { mine: target },
    transactions: { path: join(folder, 'tx') },
    durability: 'none',
    sqlite: { path: join(folder, 'store.db') },
    retry: { minDelay: 1, maxDelay: 20 },
    ...more,
  });
  t.teardown(async () => {
    await storage.close();
    await storage
      .getEngine()
      .disconnect()
      .catch(() => {});
  });
  return { storage, engine: storage.getEngine() };
}

/** What users wrote, as the engine holds it. */
const held = (target) =>
  Object.fromEntries(
    [...target.records]
      .filter(([key]) => !key.startsWith(OURS))
      .map(([key, record]) => [key, target instanceof FullEngine ? record.value : record]),
  );

/** A bare engine whose n-th write from now on fails; `made`: though it is made. */
class FailingEngine extends BareEngine {
  failAt = Infinity;
  writes = 0;
  made = false;
  log = [];
  async set(key, value) {
    this.#write(`set ${key}`, () => this.records.set(key, value));
  }
  async delete(key) {
    const existed = this.records.has(key);
    this.#write(`delete ${key}`, () => this.records.delete(key));
    return existed;
  }
  #write(what, make) {
    const fails = ++this.writes === this.failAt;
    if (!fails || this.made) make();
    if (fails) throw new Error('the dog ate it');
    this.log.push(what);
  }
}

/** Defines a test for an engine of the eight methods and for one with everything. */
function onBoth(title, run) {
  for (const [name, Engine] of [
    ['eight methods', BareEngine],
    ['everything declared', FullEngine],
  ]) {
    test(`${name}: ${title}`, async (t) => {
      const target = new Engine();
      await run(t, managerOf(t, target), target);
    });
  }
}

onBoth('a transaction reads its own writes and commits them', async (t, { storage, engine }, target) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
    ['n', null],
  ]);
  const tx = await storage.beginTransaction();
  await tx.set('b', new Map([[1, new Date(5)]]));
  t.true(await tx.delete('a'));
  t.is(await tx.increment('sum', 4), 4);
  await tx.set('bytes', Buffer.from([0, 255]));
  t.deepEqual(await tx.get('b'), new Map([[1, new Date(5)]]));
  t.is(await tx.get('n'), null);
  t.true(await tx.has('n'), 'a stored null is there');
  t.false(await tx.has('a'));
  t.deepEqual(await tx.keys(), ['b', 'bytes', 'n', 'sum']);
  t.deepEqual(await collect(tx.entries({ gt: 'bytes' })), [
    ['n', null],
    ['sum', 4],
  ]);
  t.deepEqual(held(target), { a: 1, b: 2, n: null }, 'nothing is written before the commit');
  await tx.commit();
  t.is(tx.status, 'committed');
  t.deepEqual(held(target), { b: new Map([[1, new Date(5)]]), n: null, sum: 4, bytes: Buffer.from([0, 255]) });
});

onBoth('a rollback leaves nothing, and a write outside is a conflict', async (t, { storage, engine }, target) => {
  await engine.set('a', 1);
  const dropped = await storage.beginTransaction();
  await dropped.set('a', 2);
  await dropped.clear();
  await dropped.rollback();
  t.deepEqual(held(target), { a: 1 });
  for (const read of [(tx) => tx.get('a'), (tx) => tx.keys(), (tx) => tx.has('absent')]) {
    const tx = await storage.beginTransaction();
    await read(tx);
    await tx.set('sum', 1);
    await engine.batch([
      { type: 'set', key: 'a', value: Math.random() },
      { type: 'set', key: 'absent', value: 1 },
    ]);
    t.is(await codeOf(tx.commit()), 'CONFLICT');
    t.is(tx.status, 'rolled_back');
    await engine.delete('absent');
  }
  t.false(await engine.has('sum'));
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await engine.set('a', 'changed');
  t.is(await codeOf(tx.get('b')), 'CONFLICT', 'a read that does not fit the one before');
});

onBoth('transactions and counters of many callers lose nothing', async (t, { storage, engine }) => {
  const add = () => storage.transaction(async (tx) => tx.set('n', ((await tx.get('n')) ?? 0) + 1), { retries: 1000 });
  await Promise.all([...Array.from({ length: 15 }, add), ...Array.from({ length: 15 }, () => engine.increment('n'))]);
  t.is(await engine.get('n'), 30);
});

onBoth('a KeyValueStore works on it', async (t, { storage }, target) => {
  const tx = await storage.beginTransaction();
  const store = new KeyValueStore(tx, 'p');
  await store.mset([
    ['a', 1],
    ['b', 2],
  ]);
  t.is(await store.increment('a'), 2);
  t.deepEqual(await store.keys(), ['a', 'b']);
  await store.delete('b');
  await tx.commit();
  t.deepEqual(held(target), { 'p/a': 2 });
});

onBoth('it is atomic with a built-in engine', async (t, { storage, engine }, target) => {
  const sqlite = storage.getEngine('sqlite');
  await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.engine('sqlite').set('b', 2);
  });
  t.deepEqual(held(target), { a: 1 });
  t.is(await sqlite.get('b'), 2);
  const tx = await storage.beginTransaction();
  await tx.engine('sqlite').get('b');
  await tx.engine('sqlite').set('b', 3);
  await tx.set('a', 3);
  await sqlite.set('b', 4);
  t.is(await codeOf(tx.commit()), 'CONFLICT');
  t.deepEqual(held(target), { a: 1 }, 'taken back with the other');
  t.deepEqual(await engine.keys(), ['a'], 'what the library keeps there is hidden');
});

onBoth(
  'what the library keeps in it is hidden and cannot be touched, but for a clear',
  async (t, { storage, engine }, target) => {
    await storage.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.engine('sqlite').set('b', 2);
    });
    const [ours] = [...target.records.keys()].filter((key) => key.startsWith(OURS));
    t.is(typeof ours, 'string', 'an id, for transactions over several engines');
    t.deepEqual(await engine.keys(), ['a']);
    t.is(await engine.count({ prefix: OURS }), 0);
    t.deepEqual(await collect(engine.entries()), [['a', 1]]);
    t.like(await engine.verify(), { ok: true, checked: 1 });
    const tx = await storage.beginTransaction();
    t.deepEqual(await tx.keys(), ['a']);
    for (const store of [engine, tx]) t.is(await codeOf(store.get(ours)), 'INVALID_KEY');
    for (const call of [
      engine.has(ours),
      engine.set(ours, 1),
      engine.delete(ours),
      engine.getMany(['a', ours]),
      engine.deleteMany([ours]),
      engine.increment(ours),
      engine.setMany([
        ['a', 2],
        [ours, 1],
      ]),
      engine.batch([
        { type: 'set', key: 'a', value: 2 },
        { type: 'delete', key: ours },
      ]),
    ])
      t.is(await codeOf(call), 'INVALID_KEY');
    await tx.set(ours, 1);
    t.is(await codeOf(tx.commit()), 'INVALID_KEY');
    t.deepEqual(held(target), { a: 1 });
    await new KeyValueStore(engine).clear();
    t.true(target.records.has(ours));
    await engine.clear();
    t.is(target.records.size, 0);
  },
);

for (const made of [false, true]) {
  test(`a commit that fails at any write is undone, ${made ? 'though the write was made' : 'and the error told'}`, async (t) => {
    const target = new FailingEngine();
    const { storage, engine } = managerOf(t, target);
    await engine.setMany([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
    await storage.transaction((tx) => tx.set('first', 1)); // gives the engine its id
    const before = held(target);
    target.made = made;
    const write = async (tx) => {
      await tx.set('a', 2);
      await tx.delete('b');
      await tx.set('new', 2);
      await tx.engine('sqlite').set('other', 2);
    };
    for (let at = 1; at <= 3; at++) {
      [target.writes, target.failAt] = [0, at];
      const error = await t.throwsAsync(storage.transaction(write));
      t.like(error, { code: 'IO', engine: 'mine' });
      t.regex(String(error.cause?.message), /the dog ate it/);
      t.deepEqual(held(target), before, `write ${at}`);
      t.is(await storage.getEngine('sqlite').get('other'), null);
    }
    target.failAt = Infinity;
    await storage.transaction(write);
    t.deepEqual(held(target), { a: 2, c: 1, new: 2, first: 1 });
    t.is(await storage.getEngine('sqlite').get('other'), 2);
  });
}

test('ttl and metadata are kept where declared, else refused before anything is written', async (t) => {
  const full = new FullEngine();
  const { storage, engine } = managerOf(t, full);
  await storage.transaction((tx) => tx.set('a', 1, { ttl: 60_000, metadata: { by: [1] } }));
  t.like(full.records.get('a'), { value: 1, metadata: { by: [1] } });
  t.true(full.records.get('a').expiresAt > Date.now());
  await storage.transaction((tx) => tx.increment('a'));
  t.like(await engine.getEntry('a'), { value: 2, metadata: { by: [1] } });
  await storage.transaction((tx) => tx.set('short', 1, { ttl: 20 }));
  await sleep(30);
  t.is(await storage.transaction((tx) => tx.has('short')), false);
  for (const options of [{ ttl: 5 }, { metadata: 1 }]) {
    const bare = new BareEngine();
    const { storage: other } = managerOf(t, bare);
    const commit = other.transaction(async (tx) => {
      await tx.set('a', 1);
      await tx.set('b', 1, options);
    });
    t.like(await t.throwsAsync(commit), { code: 'NOT_SUPPORTED', engine: 'mine', key: 'b' });
    t.deepEqual(held(bare), {});
  }
});

onBoth('a watch is told of a commit as one, and not of what was taken back', async (t, { storage, engine }) => {
  await engine.connect();
  const events = engine.watch();
  const next = async () => (await events.next()).value;
  const first = next();
  await storage.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.set('b', 2);
  });
  t.like(await first, { type: 'set', key: 'a' });
  t.like(await next(), { type: 'set', key: 'b' });
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await tx.set('c', 1);
  await engine.set('a', 2);
  t.is(await codeOf(tx.commit()), 'CONFLICT');
  await engine.delete('b');
  t.like(await next(), { type: 'set', key: 'a' });
  t.like(await next(), { type: 'delete', key: 'b' });
  await events.return();
});

onBoth(
  'a disconnect in the middle ends the transaction, and commits under way are finished first',
  async (t, { storage, engine }, target) => {
    const tx = await storage.beginTransaction();
    await tx.get('a');
    await tx.set('a', 1);
    await engine.disconnect();
    t.is(await codeOf(tx.commit()), 'CLOSED');
    const committing = await storage.beginTransaction();
    await committing.set('b', 1);
    await committing.get('x');
    const commit = committing.commit();
    const disconnect = engine.disconnect();
    const later = engine.get('b');
    t.is(await commit, undefined);
    await disconnect;
    t.is(await later, 1, 'a call made meanwhile connects again');
    t.deepEqual(held(target), { b: 1 });
    await storage.transaction((again) => again.set('c', 1));
    t.deepEqual(held(target), { b: 1, c: 1 });
  },
);

test('a connect that fails fails the calls of the transaction', async (t) => {
  const target = new BareEngine();
  let fail = true;
  target.connect = async () => {
    if (fail) throw new Error('no');
  };
  const { storage } = managerOf(t, target);
  const tx = await storage.beginTransaction();
  t.deepEqual(await Promise.all([codeOf(tx.get('a')), codeOf(tx.set('b', 1))]), ['IO', 'IO']);
  await tx.rollback();
  fail = false;
  await storage.transaction((again) => again.set('a', 1));
  t.deepEqual(held(target), { a: 1 });
});

test('nothing of it keeps a process alive, and a process.exit in the middle of a step ends', async (t) => {
  t.deepEqual(await program(USE_CUSTOM_ENGINE, { path: join(folderOf(t), 'tx') }), ['begun', 1]);
  t.deepEqual(await program(USE_CUSTOM_ENGINE, { path: join(folderOf(t), 'tx'), exits: true }), ['begun']);
});

test('a thread that is terminated in the middle of a step leaves nobody waiting', async (t) => {
  const path = join(folderOf(t), 'tx');
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(HANG_IN_THREAD, { workerData: { path } });
    await once(worker, 'message');
    t.is(await worker.terminate(), 1);
  }
  const { storage } = managerOf(t, new BareEngine());
  t.is(
    await storage.transaction(async (tx) => {
      await tx.set('a', 1);
      return tx.get('a');
    }),
    1,
    'the threads that waited are free again',
  );
});

test('what a killed process left half written is taken back as the engine connects', async (t) => {
  const folder = folderOf(t);
  const args = { file: join(folder, 'records.json'), path: join(folder, 'tx'), sqlite: join(folder, 'store.db') };
  await program(FILL_STORED_ENGINE, args);
  const victim = running(t, COMMIT_STORED_ENGINE, { ...args, hangs: 'z' });
  t.is(await victim.next(), 'hangs');
  await victim.kill();
  const [values, told] = await program(READ_STORED_ENGINE, args);
  t.deepEqual(values, [['old', 'old', null], 'old']);
  t.deepEqual(told, [['mine', 1]]);
});
