// Calls that write or delete several keys.
import { onEach } from '../helpers/engines.mjs';

onEach('a batch whose checks hold takes effect as one, in order', async (t, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', 2],
  ]);
  const { version } = await engine.getEntry('a');
  await engine.batch([
    { type: 'check', key: 'a', version },
    { type: 'check', key: 'new', version: null },
    { type: 'set', key: 'a', value: 10 },
    { type: 'delete', key: 'b' },
    { type: 'set', key: 'b', value: 20, metadata: 'm' },
    { type: 'set', key: 'new', value: Buffer.from([9]), ttl: 60_000 },
    { type: 'delete', key: 'absent' },
  ]);
  t.deepEqual(await engine.getMany(['a', 'b', 'new']), [10, 20, Buffer.from([9])]);
  t.is((await engine.getEntry('b')).metadata, 'm');
});

onEach('a batch with a check that does not hold changes nothing', async (t, engine) => {
  await engine.set('a', 1);
  const { version } = await engine.getEntry('a');
  await engine.setMany([
    ['a', 10],
    ['b', 20],
  ]);
  await t.throwsAsync(
    engine.batch([
      { type: 'set', key: 'a', value: 11 },
      { type: 'delete', key: 'b' },
      { type: 'check', key: 'a', version },
    ]),
    { code: 'CONFLICT' },
  );
  t.deepEqual(await engine.getMany(['a', 'b']), [10, 20]);
});

onEach('an empty batch, setMany, getMany and deleteMany do nothing', async (t, engine) => {
  await engine.batch([]);
  await engine.setMany([]);
  t.deepEqual(await engine.getMany([]), []);
  t.is(await engine.deleteMany([]), 0);
  t.is(await engine.count(), 0);
});

onEach('deleteMany counts what was there', async (t, engine) => {
  await engine.setMany([
    ['a', 1],
    ['b', null],
    ['c', 3],
  ]);
  t.is(await engine.deleteMany(new Set(['a', 'b', 'x'])), 2);
  t.is(await engine.deleteMany(['c', 'c']), 1);
  t.deepEqual(await engine.keys(), []);
});
