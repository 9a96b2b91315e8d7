// The option tableName of SQLiteStorage.
import { readdirSync } from 'node:fs';
import test from 'ava';
import { SQLiteStorage } from '../helpers/entry.mjs';
import { folderOf } from '../helpers/engines.mjs';

test('a hostile tableName is refused before anything is made', async (t) => {
  const folder = folderOf(t);
  const hostile = [
    'a"b',
    'x; DROP TABLE y',
    "x'--",
    'sqlite_master',
    'SQLITE_x',
    'a\0',
    '\ud800',
    '\u00e9',
    'a'.repeat(64),
    'a-b',
    'a.b',
    '1a',
    ' ',
    'a b',
    '[a]',
    '`a`',
    '*',
    // Tables that a store named storage has beside its own.
    'storage_internal',
    'storage_META',
    'storage_damaged',
  ];
  for (const tableName of hostile) {
    const open = async () => new SQLiteStorage({ path: `${folder}/a.db`, tableName }).connect();
    await t.throwsAsync(
      open(),
      { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', message: /tableName/ },
      JSON.stringify(tableName),
    );
  }
  t.deepEqual(readdirSync(folder), []);
});

test('a tableName that is a word of SQL is a name like any other', async (t) => {
  const path = `${folderOf(t)}/a.db`;
  for (const tableName of ['select', 'Order', 'table', '_', 'rowid', 'a'.repeat(63)]) {
    const engine = new SQLiteStorage({ path, tableName });
    await engine.setMany([
      ['k', tableName],
      ['other', 1],
    ]);
    t.is(await engine.get('k'), tableName);
    await engine.disconnect();
  }
  const again = new SQLiteStorage({ path, tableName: 'select' });
  t.is(await again.get('k'), 'select');
  await again.disconnect();
});
