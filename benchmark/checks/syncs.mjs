/**
 * syncs.mjs ENGINE ROUNDS FOLDER: at durability full, ROUNDS times a hundred transactions at once, each with five
 * reads and five writes of its own keys. The result is the commits and syncs that took, by the engine's own counters.
 */
import { dataset } from '../lib/documents.mjs';
import { openEngine, storageOver } from '../lib/holdfast.mjs';

const [name, rounds, folder] = process.argv.slice(2);
const AT_ONCE = 100;
const SIZE = 5;

const { keys, documents } = dataset(2 * SIZE * AT_ONCE);
const engine = await openEngine(name, { folder }, { durability: 'full' });
const storage = storageOver(engine);
await engine.setMany(keys.map((key, i) => [key, documents[i]]));
const before = (await engine.stats()).counters;
for (let round = 1; round <= Number(rounds); round += 1) {
  const one = (at) =>
    storage.transaction(async (tx) => {
      for (let i = 0; i < SIZE; i += 1) await tx.get(keys[at + i]);
      for (let i = SIZE; i < 2 * SIZE; i += 1)
        await tx.set(keys[at + i], documents[(at + i + round) % documents.length]);
    });
  await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => one(2 * SIZE * i)));
}
const after = (await engine.stats()).counters;
await storage.close();
await engine.disconnect();
console.log(JSON.stringify({ commits: after.commits - before.commits, syncs: after.fsyncs - before.fsyncs }));
