import { ClassicLevel } from 'classic-level';
import { open } from 'lmdb';
import { ourPlainBatch, ours, oursInTransactions } from '../lib/holdfast.mjs';
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

/**
 * lmdb's two kinds of transactions. With `flush` a commit is on the disk when it is told of. Without, nothing is ever
 * synced: a commit outlives the process, as ours at `normal` does, but a power loss may destroy the whole database, as
 * it may not do to ours.
 */
function lmdbTransactions({ flush }) {
  const subject = (name, sync, begin) => ({
    name,
    sync,
    targets: { 'tx one': 1.3, 'tx many': 1.3 },
    async open({ folder }) {
      const db = open({
        path: `${folder}/data`,
        encoding: 'json',
        noSync: !flush,
        ...((!flush || sync) && { overlappingSync: false }),
      });
      const work = (reads, writes) => () => {
        const values = reads.map((key) => db.get(key));
        for (const [key, value] of writes) db.put(key, value);
        return values;
      };
      return {
        get: (key) => db.get(key),
        set: (key, value) => db.put(key, value),
        transaction: (reads, writes) => begin(db, work(reads, writes)),
        close: () => db.close(),
      };
    },
  });
  const asynchronous = async (db, work) => {
    const values = await db.transaction(work);
    if (flush) await db.flushed;
    return values;
  };
  return [
    subject('lmdb transaction', false, asynchronous),
    subject('lmdb transactionSync', true, (db, work) => db.transactionSync(work)),
  ];
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
  {
    id: 'leveldb transactions normal',
    engine: 'leveldb',
    durability: 'normal',
    cases: ['tx one', 'tx many', 'tx batch'],
    ours: oursInTransactions('leveldb', { durability: 'normal' }),
    peers: [...lmdbTransactions({ flush: false }), ourPlainBatch('leveldb', { durability: 'normal' })],
  },
  {
    id: 'leveldb transactions full',
    engine: 'leveldb',
    durability: 'full',
    cases: ['tx one', 'tx many'],
    operations: 5000,
    ours: oursInTransactions('leveldb', { durability: 'full' }),
    peers: lmdbTransactions({ flush: true }),
  },
];
