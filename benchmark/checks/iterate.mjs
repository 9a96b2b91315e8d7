/**
 * iterate.mjs ENGINE fill|read|both COUNT FOLDER: iterates a store of COUNT documents and says by how much the resident
 * memory rose at its highest. An engine on disk is filled by one process and read by another, so that what filling left
 * behind cannot hide what reading takes.
 */
import { document, key, random } from '../lib/documents.mjs';
import { openEngine } from '../lib/holdfast.mjs';

const [name, phase, countText, folder] = process.argv.slice(2);
const count = Number(countText);
const BATCH = 1000;
const SAMPLE_EVERY = 1000;

async function fill(engine) {
  const next = random(7);
  for (let at = 0; at < count; at += BATCH) {
    const length = Math.min(BATCH, count - at);
    await engine.setMany(Array.from({ length }, (_, i) => [key(at + i), document(at + i, next)]));
  }
}

async function read(engine) {
  await engine.get(key(0));
  globalThis.gc();
  const before = process.memoryUsage.rss();
  let peak = before;
  let seen = 0;
  for await (const [, value] of engine.entries()) {
    if (value.id !== seen) throw new Error(`entry ${seen} came back as ${value.id}`);
    seen += 1;
    if (seen % SAMPLE_EVERY === 0) peak = Math.max(peak, process.memoryUsage.rss());
  }
  if (seen !== count) throw new Error(`${seen} entries of ${count}`);
  return (Math.max(peak, process.memoryUsage.rss()) - before) / 1e6;
}

const engine = await openEngine(name, { folder }, { ...(name !== 'memory' && { durability: 'normal' }) });
if (phase !== 'read') await fill(engine);
const peakMB = phase === 'fill' ? undefined : await read(engine);
await engine.disconnect();
console.log(JSON.stringify({ peakMB }));
