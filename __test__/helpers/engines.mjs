import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { FileStorage, LevelDBStorage, MemoryStorage, RedisStorage, SQLiteStorage, StorageManager } from './entry.mjs';
import { FullEngine } from './map-engine.mjs';
import { startRedis } from './redis-server.mjs';

let server;
let prefixes = 0;

/** The address of a Redis server: the one REDIS_URL names, else one started for this test file. */
export async function redisUrl() {
  if (process.env.REDIS_URL) return process.env.REDIS_URL;
  server ??= startRedis();
  return (await server).url;
}

test.after.always('stop the Redis server', async () => {
  await (await server)?.stop();
});

/** A folder that is removed after the test. */
export function folderOf(t) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A key prefix that no other test uses. */
export function freshPrefix() {
  return `test:${process.pid}:${Date.now()}:${prefixes++}:`;
}

/** Makes each engine. Engines made of one `config` share a store, but for memory. */
export const ENGINES = {
  memory: { config: async () => ({}), make: (config) => new MemoryStorage(config) },
  file: {
    config: async (t) => ({ basePath: join(folderOf(t), 'store'), durability: 'none' }),
    make: (config) => new FileStorage(config),
  },
  sqlite: {
    config: async (t) => ({ path: join(folderOf(t), 'store.db'), durability: 'none' }),
    make: (config) => new SQLiteStorage(config),
  },
  leveldb: {
    config: async (t) => ({ path: join(folderOf(t), 'store'), durability: 'none' }),
    make: (config) => new LevelDBStorage(config),
  },
  redis: {
    config: async () => ({ url: await redisUrl(), keyPrefix: freshPrefix() }),
    make: (config) => new RedisStorage(config),
  },
  custom: {
    config: async () => new FullEngine(),
    make: (target) => new StorageManager().registerEngine('custom', target).getEngine('custom'),
  },
};

export const ENGINE_NAMES = Object.keys(ENGINES);

/** Defines a test for each engine. It gets an engine over an empty store, which is disconnected afterwards. */
export function onEach(title, run, names = ENGINE_NAMES) {
  for (const name of names) {
    test(`${name}: ${title}`, async (t) => {
      const { config, make } = ENGINES[name];
      const options = await config(t);
      const engine = make(options);
      try {
        await run(t, engine, { name, reopen: () => make(options) });
      } finally {
        if (name === 'redis') await engine.clear();
        await engine.disconnect();
      }
    });
  }
}

/** The items of an async iterator. */
export async function collect(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}
