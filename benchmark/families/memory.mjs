import { MemoryLevel } from 'memory-level';
import Keyv from 'keyv';
import { createStorage } from 'unstorage';
import memoryDriver from 'unstorage/drivers/memory';
import { ourPlainBatch, ours, oursInTransactions } from '../lib/holdfast.mjs';
import { keyv, level, unstorage } from '../lib/peers.mjs';

export default [
  {
    id: 'memory',
    engine: 'memory',
    cases: ['get one', 'get many', 'set one', 'set many', 'setMany', 'iterate'],
    passes: 3,
    ours: ours('memory'),
    peers: [
      level('memory-level', {
        make: () => new MemoryLevel({ valueEncoding: 'json' }),
        targets: { 'get one': 0.6, 'get many': 0.6, 'set one': 0.6, 'set many': 0.6, setMany: 0.7, iterate: 1 },
      }),
      keyv('keyv over a Map', {
        make: () => new Keyv({ store: new Map() }),
        iterable: true,
        targets: { 'get one': 0.6, 'get many': 0.6, 'set one': 0.6, 'set many': 0.6 },
      }),
      unstorage('unstorage memory', { make: () => createStorage({ driver: memoryDriver() }) }),
    ],
  },
  {
    id: 'memory transactions',
    engine: 'memory',
    cases: ['tx one', 'tx many', 'tx batch'],
    ours: oursInTransactions('memory'),
    peers: [ourPlainBatch('memory')],
  },
];
