// Real data through every engine: written, read back, compared value by value, and measured.
//   node examples/quickstart/index.mjs [--flights N]
// N flights at most go into each engine: all 200,000, or 20,000 in the file engine, unless given.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import progress from 'cli-progress';
import { StorageManager } from 'holdfast';
import { records } from './data.mjs';
import { openRedis } from './redis.mjs';

const chunk = 500;

/** A folder's bytes as the disk counts them, which for small files is more than their length. */
function sizeOnDisk(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.blocks === undefined ? stat.size : stat.blocks * 512;
  return readdirSync(path).reduce((total, name) => total + sizeOnDisk(join(path, name)), 0);
}

/** Calls `work` on each chunk of the list; returns the seconds it took. */
async function timed(list, bar, work) {
  const started = performance.now();
  for (let at = 0; at < list.length; at += chunk) {
    const part = list.slice(at, at + chunk);
    await work(part);
    bar.increment(part.length);
  }
  return (performance.now() - started) / 1000;
}

async function exercise(engine, list, bar) {
  await engine.clear();
  const writing = await timed(list, bar, (part) => engine.setMany(part));
  let different = 0;
  const reading = await timed(list, bar, async (part) => {
    const found = await engine.getMany(part.map(([key]) => key));
    part.forEach(([, value], index) => (different += isDeepStrictEqual(found[index], value) ? 0 : 1));
  });
  const counted = await engine.count();
  return { writing, reading, different: different + Math.abs(counted - list.length) };
}

const rate = (count, seconds) => `${Math.round(count / seconds).toLocaleString('en')}/s`;
const megabytes = (bytes) => (bytes === null ? '-' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);

function print(rows) {
  const head = ['engine', 'records', 'write', 'rate', 'read + compare', 'rate', 'on disk', 'compared'];
  const cells = rows.map(({ name, count, writing, reading, size, different }) => [
    name,
    count.toLocaleString('en'),
    `${writing.toFixed(2)} s`,
    rate(count, writing),
    `${reading.toFixed(2)} s`,
    rate(count, reading),
    megabytes(size),
    different === 0 ? 'all equal' : `${different} DIFFER`,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column].length)));
  const line = (row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  ');
  console.log(`\n${line(head)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`);
  cells.forEach((row) => console.log(line(row)));
}

const { values: options } = parseArgs({ options: { flights: { type: 'string' } } });
const limit = options.flights === undefined ? Infinity : Number(options.flights);
const everything = records(limit);
// One file a record: two hundred thousand of them would fill a small disk with half-empty blocks.
const fewer = records(Math.min(limit, 20_000));

const folder = mkdtempSync(join(tmpdir(), 'holdfast-quickstart-'));
const redis = await openRedis(join(folder, 'redis'));
const places = { file: join(folder, 'file'), sqlite: join(folder, 'sqlite'), leveldb: join(folder, 'leveldb') };
const storage = new StorageManager({
  durability: 'normal', // a written record survives a crash of this process
  file: { basePath: places.file },
  sqlite: { path: join(places.sqlite, 'store.db') },
  leveldb: { path: places.leveldb },
  memory: {},
  ...(redis ? { redis: { url: redis.url, keyPrefix: 'holdfast-quickstart:' } } : {}),
});

const bar = new progress.SingleBar(
  {
    format: '{engine} [{bar}] {percentage}% of {total} reads and writes',
    noTTYOutput: true,
    notTTYSchedule: 5_000,
    clearOnComplete: true,
  },
  progress.Presets.legacy,
);
const rows = [];
try {
  for (const name of ['file', 'sqlite', 'leveldb', 'memory', ...(redis ? ['redis'] : [])]) {
    const list = name === 'file' ? fewer : everything;
    const label = (name === 'file' ? 'file (default)' : name).padEnd(14);
    bar.start(2 * list.length, 0, { engine: label });
    const result = await exercise(storage.getEngine(name === 'file' ? undefined : name), list, bar);
    bar.stop();
    const place = name === 'redis' ? redis.folder : places[name];
    rows.push({ name: label.trim(), count: list.length, size: place ? sizeOnDisk(place) : null, ...result });
    if (name === 'redis') await storage.getEngine('redis').clear();
  }
} finally {
  bar.stop();
  await storage.close();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
}

print(rows);
if (!redis) console.log('\nRedis was left out: no redis-server on PATH, and REDIS_URL is not set.');
if (fewer.length < everything.length)
  console.log(`\nThe file engine got ${fewer.length.toLocaleString('en')} records: it keeps one file a record.`);
if (rows.some(({ different }) => different > 0)) {
  console.error('\nSome records did not come back as they went in.');
  process.exitCode = 1;
}
