/**
 * Memory and start-up: each check is a process of its own, whose last line of output is its result as JSON.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { median } from './measure.mjs';

const FLAT_LIMIT = 16; // MB: over a million calls, a leak of 16 bytes a call is found
const ITERATE_LIMIT = 64; // MB
const REQUIRE_LIMIT = 15; // ms
const REQUIRE_PROCESSES = 11;
const SYNC_ROUNDS = 20;
/** Commits a sync, of a hundred at once. A group of the file engine's has also its files to sync. */
const SHARED_SYNCS = { sqlite: 10, leveldb: 10, file: 3 };

/** Calls whose memory is watched: fewer where a call costs a file or a round trip. */
const CALLS = { memory: 1_000_000, sqlite: 1_000_000, leveldb: 1_000_000, file: 100_000, redis: 1_000_000 };
const ROLLED_BACK = 10_000;
const ITERATED = ['memory', 'sqlite', 'leveldb'];

async function child(script, ...args) {
  const path = fileURLToPath(new URL(`../checks/${script}`, import.meta.url));
  // V8's young generation has its full size from the start: it is no growth of ours.
  const run = spawn(process.execPath, ['--expose-gc', '--min-semi-space-size=16', path, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  run.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const [code, signal] = await once(run, 'close');
  if (code !== 0) throw new Error(`${script} ${args.join(' ')} ended with ${signal ?? `code ${code}`}`);
  return JSON.parse(output.trim().split('\n').at(-1));
}

async function flat(script, engine, count, { folder, redisPort }) {
  const { growthMB, samplesMB } = await child(script, engine, count, folder, redisPort ?? 0);
  return { value: growthMB, detail: { samplesMB } };
}

async function iterate(engine, { scale, folder }) {
  const count = Math.round(1_000_000 * scale);
  if (engine === 'memory') return { value: (await child('iterate.mjs', engine, 'both', count, folder)).peakMB };
  await child('iterate.mjs', engine, 'fill', count, folder);
  return { value: (await child('iterate.mjs', engine, 'read', count, folder)).peakMB };
}

async function commitsPerSync(engine, { scale, folder }) {
  const { commits, syncs } = await child('syncs.mjs', engine, Math.max(2, Math.round(SYNC_ROUNDS * scale)), folder);
  return { value: commits / syncs, detail: { commits, syncs } };
}

async function start() {
  const times = [];
  for (let i = 0; i <= REQUIRE_PROCESSES; i += 1) times.push((await child('require.mjs')).ms);
  return { value: median(times.slice(1)), detail: { timesMs: times.slice(1) } };
}

function listed({ only, scale }) {
  const wanted = (engine) => only === undefined || only === engine;
  const scaled = (calls) => Math.round(calls * scale);
  const count = (calls) => scaled(calls).toLocaleString('en');
  return [
    { name: "require('holdfast'), median of fresh processes", unit: 'ms', limit: REQUIRE_LIMIT, run: start },
    ...Object.keys(CALLS)
      .filter(wanted)
      .map((engine) => ({
        name: `${engine}: RSS growth over ${count(CALLS[engine])} calls`,
        unit: 'MB',
        limit: FLAT_LIMIT,
        run: (context) => flat('flat.mjs', engine, scaled(CALLS[engine]), context),
      })),
    ...Object.keys(CALLS)
      .filter(wanted)
      .map((engine) => ({
        name: `${engine}: RSS growth over ${count(ROLLED_BACK)} transactions rolled back`,
        unit: 'MB',
        limit: FLAT_LIMIT,
        run: (context) => flat('rolled-back.mjs', engine, scaled(ROLLED_BACK), context),
      })),
    ...Object.entries(SHARED_SYNCS)
      .filter(([engine]) => wanted(engine))
      .map(([engine, limit]) => ({
        name: `${engine}, full: commits that share a sync, of 100 transactions at once`,
        unit: 'commits',
        limit,
        atLeast: true,
        run: (context) => commitsPerSync(engine, context),
      })),
    ...ITERATED.filter(wanted).map((engine) => ({
      name: `${engine}: RSS added by iterating ${count(1_000_000)} keys`,
      unit: 'MB',
      limit: ITERATE_LIMIT,
      run: (context) => iterate(engine, context),
    })),
  ];
}

/** Runs all of them; one that fails is reported as missed with its error, the others still run. */
export async function runChecks(context, progress) {
  const checks = listed(context);
  const results = [];
  for (const [i, { run, ...check }] of checks.entries()) {
    progress(i / checks.length, check.name);
    const folder = `${context.folder}/check-${i}`;
    await mkdir(folder);
    try {
      const { value, detail } = await run({ ...context, folder });
      results.push({ ...check, value, pass: check.atLeast ? value >= check.limit : value <= check.limit, ...detail });
    } catch (error) {
      results.push({ ...check, error: error.message, pass: false });
    }
  }
  return results;
}
