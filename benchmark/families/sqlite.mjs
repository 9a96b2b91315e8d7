import Database from 'better-sqlite3';
import Keyv from 'keyv';
import KeyvSqlite from '@keyv/sqlite';
import { ourPlainBatch, ours, oursInTransactions } from '../lib/holdfast.mjs';
import { keyv } from '../lib/peers.mjs';

/** The table a better-sqlite3 user writes for key-value: two columns, prepared statements, JSON text. */
const betterSqlite = (synchronous, targets) => ({
  name: 'better-sqlite3',
  sync: true,
  targets,
  async open({ folder }) {
    const db = new Database(`${folder}/data.db`);
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synchronous}`);
    db.exec('CREATE TABLE kv (key TEXT PRIMARY KEY, value TEXT NOT NULL)');
    const select = db.prepare('SELECT value FROM kv WHERE key = ?').pluck();
    const upsert = db.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value');
    const all = db.prepare('SELECT key, value FROM kv ORDER BY key').raw();
    const get = (key) => JSON.parse(select.get(key));
    const set = (key, value) => upsert.run(key, JSON.stringify(value));
    return {
      get,
      set,
      transaction: db.transaction((reads, writes) => {
        const values = reads.map(get);
        for (const [key, value] of writes) set(key, value);
        return values;
      }).immediate,
      setMany: db.transaction((entries) => {
        for (const [key, value] of entries) set(key, value);
      }),
      iterate: () => {
        let seen = 0;
        for (const [, text] of all.iterate()) if (JSON.parse(text).id !== undefined) seen += 1;
        return seen;
      },
      close: () => db.close(),
    };
  },
});

const TARGETS = { 'get one': 1.3, 'get many': 0.9, 'set many': 1.2, setMany: 1.6, iterate: 1 };
const TRANSACTION_TARGETS = { 'tx one': 1.3, 'tx many': 1.3 };

async function keyvOverSqlite({ folder }) {
  const store = new KeyvSqlite({ uri: `sqlite://${folder}/data.db`, busyTimeout: 5000 });
  await store.query('PRAGMA journal_mode = WAL');
  await store.query('PRAGMA synchronous = NORMAL');
  return new Keyv({ store });
}

export default [
  {
    id: 'sqlite normal',
    engine: 'sqlite',
    durability: 'normal',
    cases: ['get one', 'get many', 'set one', 'set many', 'setMany', 'iterate'],
    ours: ours('sqlite', { durability: 'normal' }),
    peers: [betterSqlite('NORMAL', TARGETS), keyv('@keyv/sqlite', { make: keyvOverSqlite })],
  },
  {
    id: 'sqlite transactions normal',
    engine: 'sqlite',
    durability: 'normal',
    cases: ['tx one', 'tx many', 'tx batch'],
    ours: oursInTransactions('sqlite', { durability: 'normal' }),
    peers: [betterSqlite('NORMAL', TRANSACTION_TARGETS), ourPlainBatch('sqlite', { durability: 'normal' })],
  },
  {
    id: 'sqlite transactions full',
    engine: 'sqlite',
    durability: 'full',
    cases: ['tx one', 'tx many'],
    operations: 5000,
    ours: oursInTransactions('sqlite', { durability: 'full' }),
    peers: [betterSqlite('FULL', TRANSACTION_TARGETS)],
  },
];
