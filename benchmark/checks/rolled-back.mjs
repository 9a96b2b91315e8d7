/**
 * rolled-back.mjs ENGINE COUNT FOLDER REDISPORT: transactions that are begun, read a key and a range, write, and are
 * rolled back. The result is how much the resident memory grew over the measured ones.
 */
import { dataset } from '../lib/documents.mjs';
import { openEngine, storageOver } from '../lib/holdfast.mjs';
import { growth } from '../lib/resident.mjs';

const [name, countText, folder, redisPort] = process.argv.slice(2);
const KEYS = 1000;
const IN_FLIGHT = 20;

const { keys, documents } = dataset(KEYS);
const engine = await openEngine(
  name,
  { folder, redisPort: Number(redisPort), slot: 4 },
  { ...(name !== 'memory' && name !== 'redis' && { durability: 'none' }) },
);
const storage = storageOver(engine);
await engine.setMany(keys.map((key, i) => [key, documents[i]]));
let next = 0;

async function one() {
  const at = (next = (next + 1) % KEYS);
  const tx = await storage.beginTransaction();
  await tx.get(keys[at]);
  await tx.keys({ gte: keys[at], limit: 10 });
  await tx.set(keys[(at + 1) % KEYS], documents[at]);
  await tx.delete(keys[(at + 2) % KEYS]);
  await tx.rollback();
}

async function run(count) {
  for (let done = 0; done < count; done += IN_FLIGHT) await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

const grown = await growth(run, Number(countText));
await storage.close();
await engine.disconnect();
console.log(JSON.stringify(grown));
