// Errors of a level database.
import { readFileSync } from 'node:fs';
import test from 'ava';
import { HoldfastLevel } from 'holdfast/level';
import { ERROR_CODES, StorageError, StorageManager } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

test('an error of the engine has a code of abstract-level, and is the cause', async (t) => {
  const storage = new StorageManager({ memory: { maxBytes: 2000 } });
  const db = new HoldfastLevel(storage.getEngine('memory'));
  const long = await t.throwsAsync(db.put('k'.repeat(5000), 'v'), { code: 'LEVEL_INVALID_KEY' });
  t.is(long.cause.code, 'INVALID_KEY');
  const full = await t.throwsAsync(db.put('k', 'v'.repeat(5000)), { code: 'LEVEL_IO_ERROR' });
  t.is(full.cause.code, 'NO_SPACE');
  await storage.close();
});

test('calls over an engine that was closed say that the database is not open', async (t) => {
  const storage = new StorageManager({ memory: {} });
  const db = new HoldfastLevel(storage.getEngine('memory'));
  await db.put('a', 'b');
  const iterator = db.iterator();
  t.deepEqual(await iterator.next(), ['a', 'b']);
  await storage.close();
  await t.throwsAsync(db.get('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  await t.throwsAsync(db.batch([{ type: 'del', key: 'a' }]), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  await t.throwsAsync(db.iterator().next(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
});

test('a database over an engine that was closed cannot be opened', async (t) => {
  const storage = new StorageManager({ memory: {} });
  const db = new HoldfastLevel(storage.getEngine('memory'));
  await db.open();
  await storage.close();
  await db.close();
  const closed = await t.throwsAsync(db.open(), { code: 'LEVEL_DATABASE_NOT_OPEN' });
  t.is(closed.cause.cause.code, 'CLOSED');
});

test('each error an engine may reject with has the code that docs/level.md names', async (t) => {
  const documented = readFileSync(new URL('../../docs/level.md', import.meta.url), 'utf8')
    .split('## Errors')[1]
    .split('## ')[0];
  const rows = [...documented.matchAll(/^\| (`[A-Z].*?) \| `(LEVEL_\w+)`/gm)];
  const codes = new Map(
    rows.flatMap(([, engine, level]) => [...engine.matchAll(/`(\w+)`/g)].map(([, code]) => [code, level])),
  );
  t.is(codes.size, 15);
  const own = new BareEngine();
  const db = new HoldfastLevel(own);
  for (const code of ERROR_CODES) {
    own.get = () => Promise.reject(new StorageError(code, 'what it said'));
    const error = await t.throwsAsync(db.get('a'), { message: 'what it said' });
    t.is(error.code, codes.get(code) ?? code);
    t.is((codes.has(code) ? error.cause : error).code, code);
  }
});
