import { createStorage } from 'unstorage';
import fsLite from 'unstorage/drivers/fs-lite';
import { ourPlainBatch, ours, oursInTransactions } from '../lib/holdfast.mjs';
import { unstorage } from '../lib/peers.mjs';

export default [
  {
    id: 'file none',
    engine: 'file',
    durability: 'none',
    cases: ['get one', 'get many', 'set one', 'set many', 'setMany', 'iterate'],
    operations: 5000,
    ours: ours('file', { durability: 'none' }),
    peers: [
      unstorage('unstorage fs-lite', {
        make: ({ folder }) => createStorage({ driver: fsLite({ base: folder }) }),
        targets: { 'get one': 0.2, 'get many': 0.3, 'set one': 0.8, 'set many': 0.4 },
      }),
    ],
  },
  {
    id: 'file transactions',
    engine: 'file',
    durability: 'none',
    cases: ['tx one', 'tx many', 'tx batch'],
    operations: 5000,
    ours: oursInTransactions('file', { durability: 'none' }),
    peers: [ourPlainBatch('file', { durability: 'none' })],
  },
];
