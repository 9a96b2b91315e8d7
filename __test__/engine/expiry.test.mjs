import { setTimeout as sleep } from 'node:timers/promises';
import { collect, onEach } from '../helpers/engines.mjs';

onEach('an expired key is absent from every read at once', async (t, engine) => {
  await engine.setMany([
    ['a', 1],
    ['z', 1],
  ]);
  const gone = Date.now() + 2_000;
  await engine.set('b', 2, { expiresAt: gone });
  await engine.set('c', 3, { expiresAt: Date.now() - 1 });
  await engine.set('d', 4, { ttl: 60_000 });
  t.is(await engine.get('b'), 2);
  while (Date.now() <= gone) await sleep(20);
  t.is(await engine.get('b'), null);
  t.false(await engine.has('b'));
  t.is(await engine.getEntry('b'), null);
  t.deepEqual(await engine.getMany(['a', 'b', 'c', 'd']), [1, null, null, 4]);
  t.deepEqual(await engine.keys(), ['a', 'd', 'z']);
  t.is(await engine.count(), 3);
  t.deepEqual(await collect(engine.entries()), [
    ['a', 1],
    ['d', 4],
    ['z', 1],
  ]);
});

onEach('a key that is stored with a past expiry never shows', async (t, engine) => {
  await engine.set('c', 3, { expiresAt: Date.now() - 1 });
  t.is(await engine.get('c'), null, 'what has expired already never shows');
});

/** Stores b, and waits until it has expired. */
async function expired(engine) {
  const gone = Date.now() + 500;
  await engine.set('b', 2, { expiresAt: gone });
  while (Date.now() <= gone) await sleep(20);
}

onEach('a delete does not find an expired key', async (t, engine) => {
  await expired(engine);
  t.false(await engine.delete('b'));
});

onEach('an increment of an expired key counts from 0', async (t, engine) => {
  await expired(engine);
  t.is(await engine.increment('b', 5), 5, 'it counts as 0');
});

onEach('a write without expiry takes the old one away', async (t, engine) => {
  await engine.set('a', 1, { ttl: 50 });
  await engine.set('a', 2);
  await sleep(70);
  t.is(await engine.get('a'), 2);
  t.is((await engine.getEntry('a')).expiresAt, null);
});

onEach('getEntry tells expiry, metadata and version', async (t, engine) => {
  const expiresAt = Date.now() + 60_000;
  const metadata = { by: 'me', at: new Date(7), nested: [1n] };
  await engine.set('a', 1, { expiresAt, metadata });
  const entry = await engine.getEntry('a');
  t.like(entry, { value: 1, expiresAt });
  t.deepEqual(entry.metadata, metadata);
  t.is(typeof entry.version, 'string');
});

onEach('a write without metadata takes the old away', async (t, engine) => {
  const expiresAt = Date.now() + 60_000;
  await engine.set('a', 1, { expiresAt, metadata: 'm' });
  await engine.set('a', 1, { expiresAt });
  t.is((await engine.getEntry('a')).metadata, null);
});

onEach('setMany gives each entry the expiry and the metadata', async (t, engine) => {
  await engine.setMany(
    [
      ['a', 1],
      ['b', Buffer.from([1])],
    ],
    { ttl: 60_000, metadata: 'm' },
  );
  for (const key of ['a', 'b']) {
    const { expiresAt, metadata } = await engine.getEntry(key);
    t.true(expiresAt > Date.now());
    t.is(metadata, 'm');
  }
});

onEach('options that contradict each other or make no sense are refused', async (t, engine) => {
  const error = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };
  await t.throwsAsync(engine.set('a', 1, { ttl: 0 }), error);
  await t.throwsAsync(engine.set('a', 1, { ttl: -1 }), error);
  await t.throwsAsync(engine.set('a', 1, { ttl: '5' }), error);
  await t.throwsAsync(engine.set('a', 1, { ttl: 5, expiresAt: 5 }), error);
  await t.throwsAsync(engine.set('a', 1, { tll: 5 }), { ...error, message: /did you mean ttl/ });
  t.false(await engine.has('a'));
});
