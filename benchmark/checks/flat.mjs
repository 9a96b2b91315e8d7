/**
 * flat.mjs ENGINE CALLS FOLDER REDISPORT: set, get and delete in turn. The result is how much the resident memory grew
 * over the measured calls.
 */
import { dataset } from '../lib/documents.mjs';
import { openEngine } from '../lib/holdfast.mjs';
import { growth } from '../lib/resident.mjs';

const [name, calls, folder, redisPort] = process.argv.slice(2);
const KEYS = 10_000;
const IN_FLIGHT = 100;

const { keys, documents } = dataset(KEYS);
const engine = await openEngine(
  name,
  { folder, redisPort: Number(redisPort), slot: 3 },
  { ...(name !== 'memory' && name !== 'redis' && { durability: 'none' }) },
);
let next = 0;

async function run(count) {
  for (let done = 0; done < count;) {
    const pending = [];
    for (; pending.length < 3 * IN_FLIGHT && done < count; done += 3, next = (next + 1) % KEYS) {
      pending.push(engine.set(keys[next], documents[next]), engine.get(keys[next]), engine.delete(keys[next]));
    }
    await Promise.all(pending);
  }
}

const grown = await growth(run, Number(calls));
await engine.disconnect();
console.log(JSON.stringify(grown));
