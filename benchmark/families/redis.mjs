import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { ourPlainBatch, ours, oursInTransactions } from '../lib/holdfast.mjs';

const PAGE = 500;

/** What both clients share: JSON text in plain strings, MSET for a batch, SCAN and MGET to read all. */
function redisPeer(name, { connect, mset, scan, close, targets }) {
  return {
    name,
    targets,
    async open({ redisPort, slot }) {
      const client = await connect(redisPort, slot);
      return {
        get: async (key) => JSON.parse(await client.get(key)),
        set: (key, value) => client.set(key, JSON.stringify(value)),
        setMany: (entries) =>
          mset(
            client,
            entries.map(([key, value]) => [key, JSON.stringify(value)]),
          ),
        iterate: async () => {
          const seen = new Set();
          for await (const page of scan(client)) {
            if (page.length === 0) continue;
            const texts = await (client.mget ?? client.mGet).call(client, page);
            for (const [i, text] of texts.entries()) if (JSON.parse(text).id !== undefined) seen.add(page[i]);
          }
          return seen.size;
        },
        close: () => close(client),
      };
    },
  };
}

const ioredis = redisPeer('ioredis', {
  connect: async (port, db) => new Redis({ host: '127.0.0.1', port, db, enableAutoPipelining: true }),
  mset: (client, pairs) => client.mset(pairs.flat()),
  scan: (client) => client.scanStream({ count: PAGE }),
  close: (client) => client.quit(),
  targets: { 'get one': 1.3, 'get many': 0.8, 'set one': 1.3, 'set many': 0.8, setMany: 1.1 },
});

const nodeRedis = redisPeer('redis', {
  connect: async (port, database) => {
    const client = createClient({ url: `redis://127.0.0.1:${port}`, database });
    await client.connect();
    return client;
  },
  mset: (client, pairs) => client.mSet(pairs),
  scan: (client) => client.scanIterator({ COUNT: PAGE }),
  close: (client) => client.close(),
});

export default [
  {
    id: 'redis',
    engine: 'redis',
    cases: ['get one', 'get many', 'set one', 'set many', 'setMany', 'iterate'],
    needsRedis: true,
    ours: ours('redis'),
    peers: [ioredis, nodeRedis],
  },
  {
    id: 'redis transactions',
    engine: 'redis',
    cases: ['tx one', 'tx many', 'tx batch'],
    needsRedis: true,
    ours: oursInTransactions('redis'),
    peers: [ourPlainBatch('redis')],
  },
];
