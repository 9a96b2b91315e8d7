/**
 * flat.mjs ENGINE CALLS FOLDER REDISPORT: set, get and delete in turn; twice as many calls to warm up as are then measured,
 * after which V8's young generation has its size.
 * The result is how much the resident memory grew over the measured calls.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { dataset } from '../lib/documents.mjs';
import { openEngine } from '../lib/holdfast.mjs';

const [name, calls, folder, redisPort] = process.argv.slice(2);
const KEYS = 10_000;
const IN_FLIGHT = 100;
const SAMPLES = 10;

const { keys, documents } = dataset(KEYS);
const engine = await openEngine(name, { folder, redisPort: Number(redisPort), slot: 3 }, { ...(name !== 'memory' && name !== 'redis' && { durability: 'none' }) });
let next = 0;

async function run(count) {
  for (let done = 0; done < count; ) {
    const pending = [];
    for (; pending.length < 3 * IN_FLIGHT && done < count; done += 3, next = (next + 1) % KEYS) {
      pending.push(engine.set(keys[next], documents[next]), engine.get(keys[next]), engine.delete(keys[next]));
    }
    await Promise.all(pending);
  }
}

async function resident() {
  for (let i = 0; i < 3; i += 1) {
    await turn();
    globalThis.gc();
  }
  return process.memoryUsage.rss() / 1e6;
}

await run(2 * Number(calls));
const samplesMB = [await resident()];
for (let i = 0; i < SAMPLES; i += 1) {
  await run(Number(calls) / SAMPLES);
  samplesMB.push(await resident());
}
await engine.disconnect();
console.log(JSON.stringify({ growthMB: samplesMB.at(-1) - samplesMB[0], samplesMB: samplesMB.map(Math.round) }));
