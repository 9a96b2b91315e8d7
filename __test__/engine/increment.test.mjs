// Counters.
import { StorageManager } from '../helpers/entry.mjs';
import { onEach } from '../helpers/engines.mjs';

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

onEach('increment of what is no number is refused and leaves it as it is', async (t, engine) => {
  for (const value of ['1', null, { n: 1 }, 1n, Buffer.from('1')]) {
    await engine.set('a', value);
    await t.throwsAsync(engine.increment('a'), { code: 'INVALID_ARGUMENT' }, String(value));
    t.deepEqual(await engine.get('a'), value);
  }
});

onEach('increment by what is no number is refused', async (t, engine) => {
  await t.throwsAsync(engine.increment('n', '1'), { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' });
  t.false(await engine.has('n'));
});

onEach('an increment keeps expiry and metadata', async (t, engine) => {
  const expiresAt = Date.now() + 60_000;
  await engine.set('n', 1, { expiresAt, metadata: 'm' });
  t.is(await engine.increment('n'), 2);
  t.like(await engine.getEntry('n'), { value: 2, expiresAt, metadata: 'm' });
});

onEach('an increment that is given metadata replaces it, and keeps the expiry', async (t, engine) => {
  const expiresAt = Date.now() + 60_000;
  await engine.set('n', 2, { expiresAt, metadata: 'm' });
  await engine.increment('n', 1, { metadata: 'other' });
  t.like(await engine.getEntry('n'), { value: 3, expiresAt, metadata: 'other' });
});

onEach('increments that race all count', async (t, engine) => {
  const sums = await Promise.all(Array.from({ length: 200 }, () => engine.increment('n')));
  t.deepEqual(
    sums.sort((a, b) => a - b),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
});

/** A number in a key, what is added, and the sum; undefined: it is refused. */
const LARGE = [
  [Number.MAX_SAFE_INTEGER, 1, 2 ** 53],
  [Number.MAX_SAFE_INTEGER, 2, undefined],
  [2 ** 53, 1, undefined],
  [2 ** 53, 0, 2 ** 53],
  [2 ** 53, -1, Number.MAX_SAFE_INTEGER],
  [-(2 ** 53), -1, undefined],
  [1, 2 ** 53, undefined],
  [1e300, 1, undefined],
  [2 ** 53, 0.5, 2 ** 53],
  [0.5, 2 ** 60, 2 ** 60],
  [2 ** 53, Infinity, Infinity],
];

const BEYOND = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', message: /beyond 2\^53.*bigint/ };

onEach('a sum of whole numbers beyond 2^53 is refused and changes nothing', async (t, engine) => {
  for (const [value, by, sum] of LARGE) {
    await engine.set('n', value, { metadata: 'm' });
    if (sum === undefined) {
      await t.throwsAsync(engine.increment('n', by), BEYOND, `${value} ${by}`);
      t.like(await engine.getEntry('n'), { value, metadata: 'm' });
    } else t.is(await engine.increment('n', by), sum);
  }
  await engine.delete('n');
  await t.throwsAsync(engine.increment('n', 2 ** 54), BEYOND);
  t.false(await engine.has('n'));
});

onEach('a transaction refuses such a sum, too', async (t, engine) => {
  const storage = new StorageManager({ defaultEngine: 'tested' }).registerEngine('tested', engine);
  for (const [value, by, sum] of LARGE) {
    await engine.set('n', value);
    const done = storage.transaction((tx) => tx.increment('n', by));
    if (sum === undefined) await t.throwsAsync(done, BEYOND, `${value} ${by}`);
    else t.is(await done, sum);
    // A write of its own is added to in the transaction itself.
    const own = storage.transaction(async (tx) => (await tx.set('own', value), tx.increment('own', by)));
    if (sum === undefined) await t.throwsAsync(own, BEYOND);
    else t.is(await own, sum);
  }
  await storage.close();
});
