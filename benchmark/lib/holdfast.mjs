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
