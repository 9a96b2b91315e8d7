// The end of engines, managers, transactions and threads in the middle of calls.
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { ENGINES, folderOf, onEach } from '../helpers/engines.mjs';
import { StorageManager } from '../helpers/entry.mjs';
import { FullEngine } from '../helpers/map-engine.mjs';
import { exported, managerOf, records, stalled, until } from '../helpers/transfer.mjs';

const THREAD = new URL('programs/transfer-in-thread.mjs', import.meta.url);
const many = (count) => Array.from({ length: count }, (_, index) => [`a/${index}`, 'x'.repeat(1000)]);

/** A source that gives so many records, and then waits for ever. */
async function* endless(count, given) {
  yield* records(count, given);
  await new Promise(() => {});
}

onEach('a disconnect ends the calls in the middle with CLOSED', async (t, engine) => {
  const storage = managerOf(t);
  await engine.setMany(many(1000));
  const { target } = stalled();
  const given = {};
  const calls = [
    storage.export({ format: 'jsonl', target, from: engine }),
    storage.import({ format: 'jsonl', source: endless(1500, given), to: engine }),
  ];
  const ends = Promise.allSettled(calls);
  await until(() => target.taken > 0 && given.count === 1500);
  await engine.disconnect();
  t.deepEqual(
    (await ends).map(({ reason }) => reason?.code),
    ['CLOSED', 'CLOSED'],
  );
  t.true(target.destroyed);
  // The next call connects again.
  t.is((await storage.import({ format: 'jsonl', source: records(5), to: engine })).imported, 5);
});

test('the close of a manager ends the calls in the middle with CLOSED', async (t) => {
  const storage = new StorageManager({ defaultEngine: 'memory' });
  await storage.getEngine().setMany(many(1000));
  const { target } = stalled();
  const call = t.throwsAsync(storage.export({ format: 'jsonl', target }), { code: 'CLOSED' });
  await until(() => target.taken > 0);
  await storage.close();
  await call;
});

onEach('a thousand exports that wait for their targets hold up nothing', async (t, engine) => {
  const storage = managerOf(t);
  await engine.setMany(many(20));
  const stop = new AbortController();
  const targets = Array.from({ length: 1000 }, () => stalled().target);
  const exports = targets.map((target) =>
    storage.export({ format: 'jsonl', target, from: engine, signal: stop.signal }).catch(({ code }) => code),
  );
  await until(() => targets.every(({ taken }) => taken > 0));
  await engine.set('another', 1);
  t.is((await exported(storage, engine)).split('\n').length, 22);
  stop.abort();
  t.deepEqual(new Set(await Promise.all(exports)), new Set(['ABORTED']));
  t.true(targets.every(({ destroyed }) => destroyed));
});

onEach('an import into a transaction takes effect with the commit', async (t, engine) => {
  const storage = managerOf(t, { engines: { mine: engine } });
  const tx = await storage.beginTransaction({ engine: 'mine' });
  void tx.set('before', 1);
  const imported = await storage.import({ format: 'jsonl', source: records(1500), to: tx });
  t.is(imported.imported, 1500);
  void tx.set('after', 1);
  t.is((await exported(storage, tx)).split('\n').length, 1503, 'an export sees all of that');
  t.is(await engine.count(), 0);
  await tx.commit();
  t.is(await engine.count(), 1502);

  const dropped = await storage.beginTransaction({ engine: 'mine' });
  await storage.import({ format: 'jsonl', source: Buffer.from('{"key":"x","value":1}'), to: dropped });
  await dropped.rollback();
  t.is(await engine.count(), 1502);
});

test('a transaction that ends takes its calls with it', async (t) => {
  const storage = managerOf(t);
  await storage.getEngine().setMany(many(1000));
  const tx = await storage.beginTransaction();
  const { target } = stalled();
  const exporting = storage.export({ format: 'jsonl', target, from: tx });
  const refused = t.throwsAsync(exporting, { code: 'TRANSACTION_COMPLETED' });
  await until(() => target.taken > 0);
  await tx.rollback();
  await refused;
  await t.throwsAsync(exported(storage, tx), { code: 'TRANSACTION_COMPLETED' });
});

test('hundreds of calls in transactions on an engine in JavaScript all end', async (t) => {
  const storage = managerOf(t, { engines: { mine: new FullEngine() }, transactions: { path: folderOf(t) } });
  await storage.getEngine('mine').setMany([
    ['shared/a', 1],
    ['shared/b', 1],
  ]);
  await Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const tx = await storage.beginTransaction({ engine: 'mine' });
      const source = Buffer.from(`{"key":"own/${n}","value":${n}}`);
      const [lines, { imported }] = await Promise.all([
        exported(storage, tx, { prefix: 'shared/' }),
        storage.import({ format: 'jsonl', source, to: tx }),
      ]);
      t.deepEqual([lines.split('\n').length, imported], [3, 1]);
      await tx.rollback();
    }),
  );
  t.is(await storage.getEngine('mine').count(), 2);
});

for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
  test(`${name}: a thread that is terminated in the middle leaves the store whole`, async (t) => {
    const options = await ENGINES[name].config(t);
    const storage = new StorageManager({ defaultEngine: name, [name]: options });
    const engine = storage.getEngine();
    await engine.set('main', 1);
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(THREAD, { workerData: { name, options, round } });
      const failed = once(worker, 'error').then(([error]) => t.fail(error.stack));
      await Promise.race([once(worker, 'message'), failed]);
      t.is(await worker.terminate(), 1);
      t.is(await engine.get('main'), 1);
    }
    t.true((await engine.verify()).ok);
    t.is((await storage.import({ format: 'jsonl', source: records(5), to: name })).imported, 5);
    if (name === 'redis') await engine.clear();
    await storage.close();
  });
}
