import test from 'ava';
import { onEach } from '../helpers/engines.mjs';

onEach('compareAndSet writes only over the version given', async (t, engine) => {
  const first = await engine.compareAndSet('a', null, { n: 1 });
  t.true(first.ok);
  t.is((await engine.getEntry('a')).version, first.version);
  t.deepEqual(await engine.compareAndSet('a', null, { n: 2 }), { ok: false, version: first.version });
  const second = await engine.compareAndSet('a', first.version, { n: 2 });
  t.true(second.ok);
  t.not(second.version, first.version);
  t.like(await engine.compareAndSet('a', first.version, { n: 3 }), { ok: false, version: second.version });
  await engine.delete('a');
  t.deepEqual(await engine.compareAndSet('a', second.version, 1), { ok: false, version: null });
  t.is(await engine.get('a'), null);
});

onEach('of many that race to change a key, each wins once', async (t, engine) => {
  await engine.set('n', 0);
  const addOne = async () => {
    for (;;) {
      const { value, version } = await engine.getEntry('n');
      if ((await engine.compareAndSet('n', version, value + 1)).ok) return;
    }
  };
  await Promise.all(Array.from({ length: 8 }, addOne));
  t.is(await engine.get('n'), 8);
});

onEach('set with a condition that does not hold rejects with CONFLICT', async (t, engine) => {
  await engine.set('a', 1, { ifAbsent: true });
  const conflict = { code: 'CONFLICT', name: 'StorageError' };
  const error = await t.throwsAsync(engine.set('a', 2, { ifAbsent: true }), conflict);
  t.like(error, { key: 'a', retryable: true });
  const { version } = await engine.getEntry('a');
  await engine.set('a', 3, { ifVersion: version });
  await t.throwsAsync(engine.set('a', 4, { ifVersion: version }), conflict);
  await t.throwsAsync(
    engine.setMany(
      [
        ['b', 1],
        ['a', 5],
      ],
      { ifAbsent: true },
    ),
    conflict,
  );
  t.deepEqual(await engine.getMany(['a', 'b']), [3, null]);
});

onEach('a batch takes effect as one, in order, if its checks hold', async (t, engine) => {
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

onEach('increment adds as JavaScript does', async (t, engine) => {
  t.is(await engine.increment('n'), 1);
  t.is(await engine.increment('n', 2.5), 3.5);
  t.is(await engine.increment('n', -3.5), 0);
  t.is(await engine.increment('f', 0.1), 0.1);
  t.is(await engine.increment('f', 0.2), 0.1 + 0.2);
  t.is(await engine.increment('big', Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  t.is(await engine.increment('inf', Infinity), Infinity);
  t.is(await engine.increment('inf', -Infinity), NaN);
  t.is(await engine.get('inf'), NaN);
  t.is(await engine.get('f'), 0.1 + 0.2);
});

onEach('increment of what is no number is refused', async (t, engine) => {
  for (const value of ['1', null, { n: 1 }, 1n, Buffer.from('1')]) {
    await engine.set('a', value);
    await t.throwsAsync(engine.increment('a'), { code: 'INVALID_ARGUMENT' }, String(value));
    t.deepEqual(await engine.get('a'), value);
  }
  await t.throwsAsync(engine.increment('n', '1'), { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' });
  t.false(await engine.has('n'));
});

onEach('increments that race all count', async (t, engine) => {
  const sums = await Promise.all(Array.from({ length: 200 }, () => engine.increment('n')));
  t.deepEqual(
    sums.sort((a, b) => a - b),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
});

test('versions that no engine gave match nothing', async (t) => {
  const { MemoryStorage } = await import('../helpers/entry.mjs');
  const engine = new MemoryStorage();
  await engine.set('a', 1);
  for (const version of ['zz', '0', ' 1', 'f'.repeat(40)])
    t.false((await engine.compareAndSet('a', version, 2)).ok, version);
  await t.throwsAsync(engine.compareAndSet('a', '', 2), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(engine.compareAndSet('a', undefined, 2), { code: 'INVALID_ARGUMENT' });
});
