// Makes every call of an engine while no thread can be started: each on an engine that is to be opened, then each on
// one that is open. Says how each ended, and whether the store works again once there are threads.
import { rmSync, writeFileSync } from 'node:fs';
import { StorageManager } from '../../helpers/entry.mjs';
import { args, codeOf, open, say } from '../../helpers/child.mjs';

const { name, options, target } = args;
const flag = process.env.NO_THREADS;

const inTransaction = (engine) => {
  const storage = new StorageManager({ defaultEngine: 'mine', retry: { attempts: 1 } }).registerEngine('mine', engine);
  return storage.transaction(async (tx) => tx.set('a', await tx.get('b')));
};
const CALLS = {
  connect: (engine) => engine.connect(),
  set: (engine) => engine.set('a', 1),
  get: (engine) => engine.get('a'),
  getMany: (engine) => engine.getMany(['a', 'b']),
  has: (engine) => engine.has('a'),
  delete: (engine) => engine.delete('none'),
  setMany: (engine) => engine.setMany([['a', 1]]),
  batch: (engine) => engine.batch([{ type: 'set', key: 'b', value: 1 }]),
  increment: (engine) => engine.increment('n'),
  keys: (engine) => engine.keys(),
  count: (engine) => engine.count(),
  entries: (engine) => engine.entries().next(),
  clear: (engine) => engine.clear(),
  snapshot: async (engine) => (await engine.snapshot()).close(),
  watch: (engine) => engine.watch().ready,
  compact: (engine) => engine.compact(),
  verify: (engine) => engine.verify(),
  stats: (engine) => engine.stats(),
  transaction: inTransaction,
  export: (engine) =>
    new StorageManager().registerEngine('mine', engine).export({ format: 'jsonl', target, from: 'mine' }),
  disconnect: (engine) => engine.disconnect(),
};
const afresh = () => open(name, options);

writeFileSync(flag, '');
const closed = {};
for (const [call, make] of Object.entries(CALLS)) closed[call] = await codeOf(make(afresh()));
rmSync(flag);
const engine = afresh();
await engine.set('b', 1);
writeFileSync(flag, '');
const opened = {};
for (const [call, make] of Object.entries(CALLS)) opened[call] = await codeOf(make(engine));
rmSync(flag);
await engine.set('after', 1);
say({ closed, opened, after: await engine.get('after') });
await engine.disconnect();
