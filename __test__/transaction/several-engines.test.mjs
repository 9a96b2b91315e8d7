// Transactions over several engines: all or nothing, whatever ends the process.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { folderOf, freshPrefix, redisUrl } from '../helpers/engines.mjs';
import { running } from '../helpers/program.mjs';
import { codeOf } from '../helpers/transactions.mjs';

const WRITE_TO_TWO = new URL('programs/write-to-two.mjs', import.meta.url);
const ENGINES = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];

async function configOf(t, durability = 'none') {
  const folder = folderOf(t);
  return {
    defaultEngine: 'sqlite',
    durability,
    file: { basePath: join(folder, 'files') },
    sqlite: { path: join(folder, 'store.db') },
    leveldb: { path: join(folder, 'level') },
    redis: { url: await redisUrl(), keyPrefix: freshPrefix() },
    transactions: { path: join(folder, 'tx') },
    retry: { minDelay: 1, maxDelay: 20 },
  };
}

async function managerOf(t) {
  const config = await configOf(t);
  const storage = new StorageManager(config);
  t.teardown(async () => {
    await storage
      .getEngine('redis')
      .clear()
      .catch(() => {});
    await storage.close();
  });
  return { storage, folder: config.transactions.path };
}

const each = (storage, key) => Promise.all(ENGINES.map((name) => storage.getEngine(name).get(key)));

test('engine() gives the same store for the same engine, and the transaction for its own', async (t) => {
  const { storage } = await managerOf(t);
  const tx = await storage.beginTransaction();
  t.is(tx.engine(), tx);
  t.is(tx.engine('sqlite'), tx, 'its own engine by name');
  t.is(tx.engine('file'), tx.engine('file'));
});

/** A transaction that has written the index of each engine to it. */
async function written(storage) {
  const tx = await storage.beginTransaction();
  for (const [index, name] of ENGINES.entries()) await tx.engine(name).set('a', index);
  return tx;
}

test('on each engine a transaction reads its own writes', async (t) => {
  const { storage } = await managerOf(t);
  const tx = await storage.beginTransaction();
  for (const [index, name] of ENGINES.entries()) {
    const part = tx.engine(name);
    await part.set('a', index);
    t.is(await part.get('a'), index);
    t.deepEqual(await part.keys(), ['a']);
  }
});

test('what is written to all engines is committed in all of them', async (t) => {
  const { storage } = await managerOf(t);
  const tx = await written(storage);
  await new KeyValueStore(tx.engine('leveldb'), 'kv').set('b', 1);
  t.deepEqual(await each(storage, 'a'), [null, null, null, null, null]);
  await tx.commit();
  t.deepEqual(await each(storage, 'a'), [0, 1, 2, 3, 4]);
  t.is(await storage.getEngine('leveldb').get('kv/b'), 1);
});

test('the transaction log is made with the first commit over several engines', async (t) => {
  const { storage, folder } = await managerOf(t);
  const tx = await written(storage);
  t.false(existsSync(folder), 'no log before one is needed');
  await tx.commit();
  const { log } = (await storage.stats()).transactions;
  t.like(log, { commits: 1, rollbacks: 0, logs: 1 });
});

test('a rollback leaves all engines as they were', async (t) => {
  const { storage } = await managerOf(t);
  const dropped = await storage.beginTransaction();
  for (const name of ENGINES) await dropped.engine(name).set('a', 1);
  await dropped.rollback();
  t.deepEqual(await each(storage, 'a'), [null, null, null, null, null]);
});

test('a conflict on one engine leaves all as they were, and their keys free', async (t) => {
  const { storage } = await managerOf(t);
  for (const conflicting of ENGINES) {
    const tx = await storage.beginTransaction();
    for (const name of ENGINES) {
      await tx.engine(name).get('read');
      await tx.engine(name).set('a', 1);
    }
    await storage.getEngine(conflicting).set('read', conflicting);
    t.is(await codeOf(tx.commit()), 'CONFLICT', conflicting);
    t.is(tx.status, 'rolled_back');
  }
  t.deepEqual(await each(storage, 'a'), [null, null, null, null, null]);
  for (const name of ENGINES) await storage.getEngine(name).set('a', 'free again');
});

test('what was only read in one engine guards what is written to another', async (t) => {
  const { storage } = await managerOf(t);
  const tx = await storage.beginTransaction({ engine: 'file' });
  await tx.get('limit');
  await tx.engine('memory').set('a', 1);
  await storage.getEngine('file').set('limit', 0);
  t.is(await codeOf(tx.commit()), 'CONFLICT');
  t.false(await storage.getEngine('memory').has('a'));
});

test('many at a time keep two engines equal', async (t) => {
  const { storage } = await managerOf(t);
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      storage.transaction(
        async (tx) => {
          const file = tx.engine('file');
          const n = ((await tx.get('n')) ?? 0) + 1;
          await tx.set('n', n);
          await file.set('n', n);
          await file.set(`by/${index}`, n);
        },
        { retries: 200 },
      ),
    ),
  );
  t.is(await storage.getEngine('sqlite').get('n'), 40);
  t.is(await storage.getEngine('file').get('n'), 40);
  t.is(await storage.getEngine('file').count({ prefix: 'by/' }), 40);
  t.deepEqual(storage.transactions.list(), []);
});

test('two managers share a folder of transaction logs', async (t) => {
  const config = await configOf(t);
  const [one, two] = [new StorageManager(config), new StorageManager(config)];
  for (const storage of [one, two]) {
    await storage.transaction(async (tx) => {
      await tx.increment('n');
      await tx.engine('file').increment('n');
    });
  }
  t.is((await two.stats()).transactions.log.commits, 2);
  t.is(await two.getEngine('file').get('n'), 2);
  await one.close();
  await two.close();
});

test('managers that are closed leave no transaction log behind', async (t) => {
  const config = await configOf(t);
  const [one, two] = [new StorageManager(config), new StorageManager(config)];
  for (const storage of [one, two]) {
    await storage.transaction(async (tx) => {
      await tx.increment('n');
      await tx.engine('file').increment('n');
    });
  }
  await one.close();
  await two.transaction(async (tx) => {
    await tx.set('a', 1);
    await tx.engine('leveldb').set('a', 1);
  });
  await two.close();
  while (readdirSync(config.transactions.path).some((name) => name.endsWith('.log'))) await new Promise(setImmediate);
  t.pass();
});

for (const [first, second] of [
  ['sqlite', 'file'],
  ['leveldb', 'redis'],
  ['file', 'leveldb'],
]) {
  test(`${first} and ${second}: a process killed in the middle leaves both with the same transactions`, async (t) => {
    const config = await configOf(t, 'normal');
    let recovered = 0;
    for (let round = 0; round < 6; round++) {
      const program = running(t, WRITE_TO_TWO, { config, first, second, round });
      const told = [];
      while (told.length < 3 + round * 2) told.push(await program.next());
      await program.kill();
      const storage = new StorageManager(config);
      storage.on('recovered', (engine, { applied, dropped }) => (recovered += applied + dropped));
      const [left, right] = await Promise.all(
        [first, second].map(async (name) => {
          const records = [];
          for await (const record of storage.getEngine(name).entries()) records.push(record);
          return records;
        }),
      );
      t.deepEqual(left, right);
      t.is(left.filter(([key]) => key.startsWith(String(round))).length, 3, 'each lane has its last');
      for (const [key, value] of left.filter(([key]) => key.startsWith(String(round))))
        t.true(value >= told.at(-1), key);
      await storage.transaction(async (tx) => {
        for (const name of [first, second]) await tx.engine(name).clear();
      });
      await storage.close();
    }
    t.log(`${recovered} parts of transactions were recovered`);
  });
}
