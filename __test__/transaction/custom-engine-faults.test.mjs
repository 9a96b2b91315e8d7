// Transactions on custom engines when a call fails, or when the engine, its thread or its process ends in the middle.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { customManagerOf as managerOf, held, onBoth } from '../helpers/custom-engines.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';
import { program, running } from '../helpers/program.mjs';
import { codeOf } from '../helpers/transactions.mjs';

const USE_CUSTOM_ENGINE = new URL('programs/use-custom-engine.mjs', import.meta.url);
const HANG_IN_THREAD = new URL('programs/hang-in-thread.mjs', import.meta.url);
const FILL_STORED_ENGINE = new URL('programs/fill-stored-engine.mjs', import.meta.url);
const COMMIT_STORED_ENGINE = new URL('programs/commit-stored-engine.mjs', import.meta.url);
const READ_STORED_ENGINE = new URL('programs/read-stored-engine.mjs', import.meta.url);

/** A bare engine whose write number `failAt` fails. With `made` the write is made all the same. */
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

for (const made of [false, true]) {
  test(`a commit is undone that fails at any write which was ${made ? 'made' : 'not made'}`, async (t) => {
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

onBoth('a disconnect ends a transaction in its middle', async (t, { storage, engine }) => {
  const tx = await storage.beginTransaction();
  await tx.get('a');
  await tx.set('a', 1);
  await engine.disconnect();
  t.is(await codeOf(tx.commit()), 'CLOSED');
});

onBoth('a disconnect waits for a commit that is under way', async (t, { storage, engine }, target) => {
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
});

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

test('an open transaction keeps no process alive', async (t) => {
  t.deepEqual(await program(USE_CUSTOM_ENGINE, { path: join(folderOf(t), 'tx') }), ['begun', 1]);
});

test('process.exit in the middle of a commit ends', async (t) => {
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
