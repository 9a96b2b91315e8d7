// Keys of any bytes in a level database.
import fc from 'fast-check';
import { HoldfastLevel } from 'holdfast/level';
import { onEach } from '../helpers/engines.mjs';

const bytes = { keyEncoding: 'buffer' };
const hex = (keys) => keys.map((key) => key.toString('hex'));

onEach('keys of any bytes come back, in the order of their bytes, within ranges and from seeks', async (t, engine) => {
  // Every edge of UTF-8: bytes before, between and behind the code points that it can write, and the last code point.
  const edges = [
    '',
    '00',
    '61',
    '6180',
    '7f',
    '7fff',
    '80',
    'c0',
    'c1bf',
    'c2',
    'c27f',
    'c280',
    'c2bf',
    'c2c0',
    'c3',
    'c3a9',
    'dfbf',
    'dfc0',
    'e0',
    'e080',
    'e09fbf',
    'e0a080',
    'e0a0',
    'ed9fbf',
    'eda080',
    'edbfbf',
    'ee',
    'ee8080',
    'efbfbd',
    'efbfbf',
    'efc0',
    'f0',
    'f08080',
    'f08fbfbf',
    'f0908080',
    'f09f9084',
    'f09f90',
    'f48fbfbf',
    'f48fbfbf00',
    'f48fbfbf2d',
    'f48fbfbf3030',
    'f48fbfbfff',
    'f48fbfbff48fbfbf',
    'f490',
    'f4908080',
    'f5',
    'ff',
    'ff00',
    'ffff',
  ];
  const one = fc.oneof(
    fc.constantFrom(...edges),
    fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array).toString('hex')),
  );
  const key = fc.array(one, { maxLength: 3 }).map((parts) => parts.join(''));
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 40 }), key, key, async (keys, low, high) => {
      const db = new HoldfastLevel(engine, { ...bytes, prefix: `bytes-${round++}` });
      const sorted = keys.toSorted((a, b) => Buffer.compare(Buffer.from(a, 'hex'), Buffer.from(b, 'hex')));
      await db.batch(keys.map((name) => ({ type: 'put', key: Buffer.from(name, 'hex'), value: name })));
      t.deepEqual(hex(await db.keys().all()), sorted);
      t.deepEqual(await db.values({ reverse: true }).all(), sorted.toReversed());
      t.deepEqual(await db.getMany(keys.map((name) => Buffer.from(name, 'hex'))), keys);
      const [gte, lt] = [low, high].map((name) => Buffer.from(name, 'hex'));
      const inside = sorted.filter(
        (name) =>
          Buffer.compare(Buffer.from(name, 'hex'), gte) >= 0 && Buffer.compare(Buffer.from(name, 'hex'), lt) < 0,
      );
      t.deepEqual(hex(await db.keys({ gte, lt }).all()), inside);
      const iterator = db.keys();
      iterator.seek(gte);
      t.is(
        (await iterator.next())?.toString('hex'),
        sorted.find((name) => Buffer.compare(Buffer.from(name, 'hex'), gte) >= 0),
      );
      await db.close();
    }),
    { numRuns: 40 },
  );
});
