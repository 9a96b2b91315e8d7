import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { collect, onEach } from '../helpers/engines.mjs';
import { anyValue } from '../helpers/values.mjs';

onEach('any supported value comes back as it went in, by every way of reading', async (t, engine) => {
  await fc.assert(
    fc.asyncProperty(anyValue, anyValue, async (first, second) => {
      await engine.set('first', first);
      await engine.setMany([['second', second]]);
      t.deepEqual(await engine.get('first'), first);
      t.deepEqual(await engine.getMany(['first', 'absent', 'second']), [first, null, second]);
      t.deepEqual((await engine.getEntry('second')).value, second);
      t.deepEqual(await collect(engine.entries()), [
        ['first', first],
        ['second', second],
      ]);
    }),
    { numRuns: 40 },
  );
});

onEach('values survive a reopening', async (t, engine, { name, reopen }) => {
  if (name === 'memory') await engine.connect();
  const value = {
    date: new Date(5),
    bytes: Buffer.from([0, 255]),
    map: new Map([[{ a: 1 }, new Set([1n])]]),
    text: 'gr\u00fcn \ud800',
  };
  await engine.set('value', value);
  await engine.set('buffer', Buffer.from([1, 2, 3]));
  await engine.disconnect();
  const again = name === 'memory' ? engine : reopen();
  t.deepEqual(await again.get('value'), value);
  t.deepEqual(await again.get('buffer'), Buffer.from([1, 2, 3]));
  await again.disconnect();
});

onEach('stored null is told from absent', async (t, engine) => {
  await engine.set('null', null);
  t.is(await engine.get('null'), null);
  t.true(await engine.has('null'));
  t.false(await engine.has('absent'));
  t.is((await engine.getEntry('null')).value, null);
  t.is(await engine.getEntry('absent'), null);
});

onEach('a value changed after the call is stored as it was', async (t, engine) => {
  const value = { list: [1] };
  const buffer = Buffer.from('abc');
  const writes = [engine.set('value', value), engine.set('buffer', buffer), engine.setMany([['many', value]])];
  value.list.push(2);
  buffer.fill(0);
  await Promise.all(writes);
  t.deepEqual(await engine.get('value'), { list: [1] });
  t.deepEqual(await engine.get('many'), { list: [1] });
  t.is((await engine.get('buffer')).toString(), 'abc');
});

onEach('a change of a value that was read does not change the store', async (t, engine) => {
  await engine.set('value', { list: [1] });
  (await engine.get('value')).list.push(3);
  t.deepEqual(await engine.get('value'), { list: [1] }, 'nor does a change of what was read');
});

onEach('what cannot be stored is refused with its path, before anything is written', async (t, engine) => {
  const cycle = {};
  cycle.self = cycle;
  for (const value of [
    undefined,
    () => 1,
    Symbol('x'),
    { a: [1, () => 2] },
    cycle,
    new Date(NaN),
    new Array(2),
    new WeakMap(),
  ]) {
    await t.throwsAsync(engine.set('bad', value), { code: 'UNSUPPORTED_VALUE', message: /\$/ });
    await t.throwsAsync(
      engine.setMany([
        ['good', 1],
        ['bad', value],
      ]),
      { code: 'UNSUPPORTED_VALUE' },
    );
    await t.throwsAsync(
      engine.batch([
        { type: 'set', key: 'good', value: 1 },
        { type: 'set', key: 'bad', value },
      ]),
      { code: 'UNSUPPORTED_VALUE' },
    );
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('a refused batch names the key and the path of the value', async (t, engine) => {
  const error = await t.throwsAsync(
    engine.setMany([
      ['good', 1],
      ['bad', { a: { b: () => 1 } }],
    ]),
  );
  t.like(error, { key: 'bad', message: 'Cannot store a function at $.a.b, for the key "bad"' });
  t.deepEqual(await engine.keys(), []);
});

onEach('a value over 64 MiB is refused', async (t, engine) => {
  await t.throwsAsync(engine.set('big', 'x'.repeat(64 * 2 ** 20 - 1)), { code: 'VALUE_TOO_LARGE' });
  await t.throwsAsync(engine.set('big', Buffer.alloc(64 * 2 ** 20 + 1)), { code: 'VALUE_TOO_LARGE' });
  t.false(await engine.has('big'));
});
