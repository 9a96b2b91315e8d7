/**
 * Places for stores: `{ name, options }`, an engine and its section of the configuration, which another process can be
 * told.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../../__test__/helpers/redis-server.mjs';

export const ENGINES = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];

/**
 * Places in a folder and on a Redis server of their own, which `stop` removes. `next(name)` is one that nobody used
 * before.
 */
export async function places({ durability = 'normal', redis = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-reliability-'));
  const server = redis ? await startRedis() : undefined;
  let used = 0;
  const options = {
    memory: () => ({}),
    file: (home) => ({ basePath: home, durability }),
    sqlite: (home) => ({ path: join(home, 'store.db'), durability }),
    leveldb: (home) => ({ path: home, durability }),
    redis: (_, n) => ({ url: server.url, keyPrefix: `place${n}:` }),
  };
  return {
    next: (name) => ({ name, options: options[name](join(folder, `${name}-${(used += 1)}`), used) }),
    async stop() {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
