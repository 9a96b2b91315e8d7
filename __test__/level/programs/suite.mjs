// Runs the suite of the package abstract-level on the engine that the first argument names, and writes TAP. Each
// database of the suite has a prefix of its own in one engine, among the records that earlier tests left there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import suite from 'abstract-level/test/index.js';
import { HoldfastLevel } from 'holdfast/level';
import test from 'tape';
import { FileStorage, LevelDBStorage, MemoryStorage, RedisStorage, SQLiteStorage } from '../../helpers/entry.mjs';
import { FullEngine } from '../../helpers/map-engine.mjs';
import { startRedis } from '../../helpers/redis-server.mjs';

/** An engine that loses the last of its keys when it lists them. */
class BrokenEngine extends FullEngine {
  async keys() {
    return (await super.keys()).slice(0, -1);
  }
}

const [name] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'holdfast-level-'));
const redis = name === 'redis' ? await startRedis() : undefined;
const engine = {
  memory: () => new MemoryStorage(),
  file: () => new FileStorage({ basePath: join(folder, 'store'), durability: 'none' }),
  sqlite: () => new SQLiteStorage({ path: join(folder, 'store.db'), durability: 'none' }),
  leveldb: () => new LevelDBStorage({ path: join(folder, 'store'), durability: 'none' }),
  redis: () => new RedisStorage({ url: redis.url, keyPrefix: 'suite:' }),
  custom: () => new FullEngine(),
  broken: () => new BrokenEngine(),
}[name]();

let databases = 0;
suite({ test, factory: (options) => new HoldfastLevel(engine, { prefix: `database-${databases++}`, ...options }) });

test.onFinish(async () => {
  await engine.disconnect();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});
