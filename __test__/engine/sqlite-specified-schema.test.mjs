import { Buffer } from 'node:buffer';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { SQLiteStorage } from '../helpers/entry.mjs';
import { collect, folderOf } from '../helpers/engines.mjs';

const FIXTURE = fileURLToPath(new URL('../fixtures/specified-schema.db', import.meta.url));

/** The records that the code of the specification wrote, in the order of their keys. */
const WRITTEN = [
  ['boolean', true],
  ['buffer', Buffer.from([1, 2, 255])],
  ['date', new Date('2026-01-02T03:04:05.678Z')],
  ['json', { name: 'Ada', tags: ['a', 'b'], nested: { n: 1.5 } }],
  ['null', null],
  ['number', -12.5],
  ['number/infinite', Infinity],
  ['number/nan', NaN],
  ['string', 'gr\u00fcn "quoted"'],
  ['string/looks like json', '{"a":1}'],
  ['string/number', '456'],
];

function copied(t) {
  const path = join(folderOf(t), 'specified.db');
  copyFileSync(FIXTURE, path);
  return path;
}

for (const readOnly of [false, true]) {
  const how = readOnly ? ', opened with readOnly' : '';

  test(`a database made by the specification’s own schema reads as it was written${how}`, async (t) => {
    const engine = new SQLiteStorage({ path: copied(t), readOnly });
    t.deepEqual(await collect(engine.entries()), WRITTEN);
    for (const [key, value] of WRITTEN) {
      t.deepEqual(await engine.get(key), value, key);
      t.deepEqual(engine.getSync(key), value, key);
    }
    t.deepEqual(
      await engine.getMany(WRITTEN.map(([key]) => key)),
      WRITTEN.map(([, value]) => value),
    );
    await engine.disconnect();
  });

  test(`times and metadata are there${how}`, async (t) => {
    const engine = new SQLiteStorage({ path: copied(t), readOnly });
    t.like(await engine.getEntry('json'), {
      createdAt: 1_700_000_000_000,
      updatedAt: 1_700_000_000_004,
      expiresAt: null,
      metadata: { source: 'import' },
    });
    await engine.disconnect();
  });

  test(`rows are counted, and verify finds nothing${how}`, async (t) => {
    const engine = new SQLiteStorage({ path: copied(t), readOnly });
    t.is(await engine.count('number*'), 3);
    t.true((await engine.verify()).ok);
    await engine.disconnect();
  });
}

test('reading it with readOnly does not change it', async (t) => {
  const path = copied(t);
  const engine = new SQLiteStorage({ path, readOnly: true });
  await collect(engine.entries());
  await engine.verify();
  await engine.disconnect();
  t.deepEqual(readFileSync(path), readFileSync(FIXTURE));
});

test('conditions on its old rows hold', async (t) => {
  const engine = new SQLiteStorage({ path: copied(t) });
  const { version } = await engine.getEntry('json');
  t.deepEqual(await engine.compareAndSet('json', 'ffff', 1), { ok: false, version });
  t.true((await engine.compareAndSet('json', version, { name: 'Grace' })).ok);
  await engine.disconnect();
});

test('a write keeps the time of creation', async (t) => {
  const engine = new SQLiteStorage({ path: copied(t) });
  await engine.set('json', { name: 'Grace' });
  t.is((await engine.getEntry('json')).createdAt, 1_700_000_000_000);
  await engine.disconnect();
});

test('numbers are incremented, texts are not', async (t) => {
  const engine = new SQLiteStorage({ path: copied(t) });
  t.is(await engine.increment('number', 2), -10.5);
  await t.throwsAsync(engine.increment('string'), { code: 'INVALID_ARGUMENT' });
  await engine.disconnect();
});

test('writes of every kind are there after it is opened again', async (t) => {
  const path = copied(t);
  const engine = new SQLiteStorage({ path });
  await engine.set('json', { name: 'Grace' });
  await engine.set('new', new Map([[1, 2n]]), { ttl: 60_000, metadata: { m: 1 } });
  t.true(await engine.delete('boolean'));
  await engine.disconnect();
  const again = new SQLiteStorage({ path });
  t.deepEqual(await again.get('json'), { name: 'Grace' });
  t.deepEqual(await again.get('new'), new Map([[1, 2n]]));
  t.false(await again.has('boolean'));
  await again.disconnect();
});

test('clear empties it', async (t) => {
  const engine = new SQLiteStorage({ path: copied(t) });
  await engine.clear();
  t.deepEqual(await engine.keys(), []);
  await engine.disconnect();
});

test('a table of another program beside it is no store, and stays', async (t) => {
  const path = copied(t);
  await t.throwsAsync(new SQLiteStorage({ path, tableName: 'notes' }).set('a', 1), { code: 'UNSUPPORTED_FORMAT' });
  t.deepEqual(readFileSync(path), readFileSync(FIXTURE));
});

test('a store of another name is made beside a table of another program', async (t) => {
  const path = copied(t);
  const engine = new SQLiteStorage({ path, tableName: 'mine' });
  await engine.set('a', 1);
  await engine.disconnect();
  t.true(readFileSync(path).includes('of another program'));
});
