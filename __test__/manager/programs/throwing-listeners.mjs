// Listeners that throw, at calls of every kind. Says how each call ended, and what was thrown where nobody caught it.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { args, codeOf, say } from '../../helpers/child.mjs';
import { StorageManager } from '../../helpers/entry.mjs';
import { BareEngine } from '../../helpers/map-engine.mjs';
import { startRedis } from '../../helpers/redis-server.mjs';

const { folder } = args;
let uncaught = [];
process.on('uncaughtException', ({ message }) => uncaught.push(message));

const throwing = (name) => () => {
  throw new Error(name);
};

/** Says what came of some calls, once everything that was thrown apart has surfaced. */
async function told(name, calls) {
  const ends = await Promise.race([Promise.all(calls.map(codeOf)), sleep(30_000, 'hangs', { ref: false })]);
  await sleep(20);
  say({ name, ends, uncaught });
  uncaught = [];
}

const server = await startRedis();
writeFileSync(`${folder}/file`, 'not a folder');
const storage = new StorageManager({
  defaultEngine: 'memory',
  file: { basePath: `${folder}/files` },
  sqlite: { path: `${folder}/a.db`, verbose: throwing('verbose') },
  leveldb: { path: `${folder}/file/x` },
  redis: { url: server.url, connectTimeout: 300, commandTimeout: 300 },
  engines: { mine: new BareEngine() },
  retry: { attempts: 2, minDelay: 1, maxDelay: 1 },
});
const heard = [];
for (const event of ['retry', 'error', 'reconnect']) {
  storage.once(event, throwing(`once ${event}`));
  storage.on(event, throwing(event));
  storage.on(event, () => heard.push(event));
}

await told('verbose', [storage.getEngine('sqlite').set('a', 1)]);
await storage.getEngine('sqlite').disconnect();
await told('reconnect', [storage.getEngine('sqlite').get('a'), storage.getEngine('sqlite').get('b')]);
await told('error', [storage.getEngine('leveldb').get('a'), storage.getEngine('leveldb').get('b')]);

let runs = 0;
const conflicting = storage.transaction(async (tx) => {
  await tx.get('n');
  if (++runs === 1) await storage.getEngine().increment('n');
  await tx.set('n', 5);
});
await told('transaction', [conflicting]);

const { redis } = { redis: storage.getEngine('redis') };
await redis.setMany([
  ['a', 1],
  ['b', 2],
]);
for (const name of ['memory', 'file', 'sqlite', 'redis', 'mine']) {
  await storage.getEngine(name).set('a', 1);
  await told('progress', [storage.getEngine(name).verify({ onProgress: throwing('progress') })]);
}
await told('copy', [storage.copy({ from: 'mine', to: 'memory', onProgress: throwing('copy') })]);

const file = `${folder}/a.jsonl`;
await told('export', [storage.export({ format: 'jsonl', target: file, onProgress: throwing('export') })]);
await told('import', [storage.import({ format: 'jsonl', source: file, to: 'mine', onProgress: throwing('import') })]);

await server.stop();
await told('retry', [redis.get('a'), redis.has('b'), redis.getMany(['a']), redis.set('a', 2), redis.keys()]);
await told('close', [storage.close()]);
say({ heard: [...new Set(heard)] });
