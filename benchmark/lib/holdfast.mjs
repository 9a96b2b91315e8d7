/**
 * Holdfast as a subject: one description for every engine.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { countEntries } from './cases.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The package as built in this repository. Throws when it has not been built. */
export function holdfast() {
  return createRequire(new URL('../../package.json', import.meta.url))('holdfast');
}

/** Where each engine keeps its data in `folder`, and which class it is. */
const ENGINES = {
  memory: ['MemoryStorage', () => ({})],
  file: ['FileStorage', ({ folder }) => ({ basePath: folder })],
  sqlite: ['SQLiteStorage', ({ folder }) => ({ path: `${folder}/data.db` })],
  leveldb: ['LevelDBStorage', ({ folder }) => ({ path: `${folder}/data` })],
  redis: ['RedisStorage', ({ redisPort, slot }) => ({ host: '127.0.0.1', port: redisPort, db: slot })],
};

/** A connected engine. `place` has `folder`, or `redisPort` and `slot`. */
export async function openEngine(name, place, options = {}) {
  const [className, location] = ENGINES[name];
  const engine = new (holdfast()[className])({ ...location(place), ...options });
  await engine.connect();
  return engine;
}

/** Transactions on an engine that is open. */
export function storageOver(engine) {
  const { StorageManager } = holdfast();
  return new StorageManager({ defaultEngine: 'bench' }).registerEngine('bench', engine);
}

export function ours(name, options = {}) {
  return {
    name: 'holdfast',
    async open(place) {
      const engine = await openEngine(name, place, options);
      return {
        get: (key) => engine.get(key),
        set: (key, value) => engine.set(key, value),
        setMany: (entries) => engine.setMany(entries),
        iterate: () => countEntries(engine.entries()),
        close: () => engine.disconnect(),
      };
    },
  };
}

/** The same for transactions: five reads, five writes, and a batch through a transaction. */
export function oursInTransactions(name, options = {}) {
  return {
    name: 'holdfast',
    async open(place) {
      const engine = await openEngine(name, place, options);
      const storage = storageOver(engine);
      return {
        get: (key) => engine.get(key),
        setMany: (entries) => engine.setMany(entries),
        transaction: (reads, writes) =>
          storage.transaction(async (tx) => {
            const values = [];
            for (const key of reads) values.push(await tx.get(key));
            for (const [key, value] of writes) await tx.set(key, value);
            return values;
          }),
        batch: (operations) => storage.transaction((tx) => tx.batch(operations)),
        close: async () => {
          await storage.close();
          await engine.disconnect();
        },
      };
    },
  };
}

/** The peer of a batch through a transaction: the same batch without one. */
export function ourPlainBatch(name, options = {}) {
  return {
    name: 'plain batch',
    targets: { 'tx batch': 1.5 },
    async open(place) {
      const engine = await openEngine(name, place, options);
      return {
        get: (key) => engine.get(key),
        setMany: (entries) => engine.setMany(entries),
        batch: (operations) => engine.batch(operations),
        close: () => engine.disconnect(),
      };
    },
  };
}
