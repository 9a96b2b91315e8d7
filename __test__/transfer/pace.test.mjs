// The consumer sets the pace: memory is bounded, and nothing is read that nobody has room for.
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { FullEngine } from '../helpers/map-engine.mjs';
import { program } from '../helpers/program.mjs';
import { managerOf, records, settled, stalled, until } from '../helpers/transfer.mjs';

const MANY_RECORDS = new URL('programs/many-records.mjs', import.meta.url);
const MIB = 1 << 20;

for (const name of ['sqlite', 'leveldb', 'file']) {
  test(`${name}: many records go through in bounded memory`, async (t) => {
    const path = join(folderOf(t), 'store');
    const options = { [name === 'file' ? 'basePath' : 'path']: path, durability: 'none' };
    // A file for each record takes longer.
    const count = name === 'file' ? 10_000 : 200_000;
    const [{ imported, exported, bytes, most }] = await program(MANY_RECORDS, { name, options, count });
    t.deepEqual([imported, exported], [count, count + 1]);
    t.true(bytes > count * 2000);
    // RocksDB alone keeps up to 64 MiB of writes, and the allocator some of what was freed.
    if (name !== 'file') t.true(most < 250 * MIB, `${Math.round(most / MIB)} MiB for ${Math.round(bytes / MIB)} MiB`);
  });
}

test('an export reads no further than its target has room for', async (t) => {
  const storage = managerOf(t);
  const engine = new FullEngine();
  const text = 'x'.repeat(1000);
  for (let n = 0; n < 20_000; n++) await engine.set(`k${n}`, text);
  let reads = 0;
  const getEntry = engine.getEntry.bind(engine);
  engine.getEntry = (key) => {
    reads++;
    return getEntry(key);
  };
  const { target, release } = stalled();
  const exporting = storage.export({ format: 'jsonl', target, from: engine });
  await until(() => target.taken > 0);
  await settled(() => reads);
  t.true(target.taken > 0);
  t.true(reads < 2000, `${reads} of 20000 records were read`);
  release();
  t.deepEqual(await exporting, { exported: 20_000 });
  t.is(reads, 20_000);
});

test('an import takes no more of its source than the engine has room for', async (t) => {
  const storage = managerOf(t);
  const engine = new FullEngine();
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const batch = engine.batch.bind(engine);
  let batches = 0;
  engine.batch = async (operations) => {
    batches++;
    await released;
    return batch(operations);
  };
  const given = {};
  const importing = storage.import({ format: 'jsonl', source: records(20_000, given), to: engine });
  await until(() => batches > 0);
  await settled(() => given.count);
  t.is(batches, 1);
  t.is(given.count, 1000, 'those of one batch');
  release();
  t.is((await importing).imported, 20_000);
  t.is(engine.records.size, 20_000);
});

test('one large chunk is taken piece by piece', async (t) => {
  const storage = managerOf(t);
  let lines = '';
  for await (const line of records(100_000)) lines += line;
  const told = [];
  const stop = new AbortController();
  const importing = storage.import({
    format: 'jsonl',
    source: Buffer.from(lines),
    to: 'memory',
    signal: stop.signal,
    onProgress({ done, bytes }) {
      told.push([done, bytes]);
      stop.abort();
    },
  });
  await t.throwsAsync(importing, { code: 'ABORTED' });
  const [done, bytes] = told.at(-1);
  t.true(bytes < lines.length, 'the rest was not taken');
  t.is(await storage.getEngine().count(), done);
});
