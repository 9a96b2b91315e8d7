// Counters.
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
