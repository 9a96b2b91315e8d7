import { ClassicLevel } from 'classic-level';
import { open } from 'lmdb';
import { ours } from '../lib/holdfast.mjs';
import { level } from '../lib/peers.mjs';

const classic = ({ folder }) => new ClassicLevel(`${folder}/data`, { valueEncoding: 'json' });

/** lmdb reads synchronously from a memory map; only its reads are compared, its commits make another promise. */
function lmdb(name, encoding, targets) {
  return {
    name,
    targets,
    sync: true,
    cases: ['get one', 'get many', 'iterate'],
    async open({ folder }) {
      const db = open({ path: `${folder}/data`, encoding });
      return {
        get: (key) => db.get(key),
        set: (key, value) => db.put(key, value),
        iterate: () => {
          let seen = 0;
          for (const { value } of db.getRange()) if (value.id !== undefined) seen += 1;
          return seen;
        },
        close: () => db.close(),
      };
    },
  };
}

const lmdbTargets = { 'get one': 1.3, 'get many': 1.3 };

export default [
  {
    id: 'leveldb none',
    engine: 'leveldb',
    durability: 'none',
    cases: ['get one', 'get many', 'set one', 'set many', 'setMany', 'iterate'],
    ours: ours('leveldb', { durability: 'none' }),
    peers: [
      level('classic-level', {
        make: classic,
        targets: { 'get one': 0.2, 'get many': 0.8, 'set one': 0.25, 'set many': 0.9, setMany: 0.9, iterate: 1 },
      }),
      lmdb('lmdb, JSON', 'json', lmdbTargets),
      lmdb('lmdb, msgpack', 'msgpack', undefined),
    ],
  },
  {
    id: 'leveldb full',
    engine: 'leveldb',
    durability: 'full',
    cases: ['set one', 'set many', 'setMany'],
    operations: 1000,
    ours: ours('leveldb', { durability: 'full' }),
    peers: [level('classic-level sync', { make: classic, sync: true, targets: { 'set one': 1.1, 'set many': 0.1 } })],
  },
];
