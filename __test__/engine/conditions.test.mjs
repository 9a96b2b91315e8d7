// Writes that depend on the version of a key or on its absence.
import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINE_NAMES, ENGINES, onEach } from '../helpers/engines.mjs';

const CONFLICT = { code: 'CONFLICT', name: 'StorageError' };

onEach('compareAndSet with null writes only where the key is absent', async (t, engine) => {
  const first = await engine.compareAndSet('a', null, { n: 1 });
  t.true(first.ok);
  t.is((await engine.getEntry('a')).version, first.version);
  t.deepEqual(await engine.compareAndSet('a', null, { n: 2 }), { ok: false, version: first.version });
});

onEach('compareAndSet writes only over the version given', async (t, engine) => {
  const first = await engine.compareAndSet('a', null, { n: 1 });
  const second = await engine.compareAndSet('a', first.version, { n: 2 });
  t.true(second.ok);
  t.not(second.version, first.version);
  t.like(await engine.compareAndSet('a', first.version, { n: 3 }), { ok: false, version: second.version });
});

onEach('compareAndSet with a version does not write where the key was deleted', async (t, engine) => {
  const { version } = await engine.compareAndSet('a', null, { n: 1 });
  await engine.delete('a');
  t.deepEqual(await engine.compareAndSet('a', version, 1), { ok: false, version: null });
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

onEach('set with ifAbsent rejects with CONFLICT where the key is there', async (t, engine) => {
  await engine.set('a', 1, { ifAbsent: true });
  const error = await t.throwsAsync(engine.set('a', 2, { ifAbsent: true }), CONFLICT);
  t.like(error, { key: 'a', retryable: true });
  t.is(await engine.get('a'), 1);
});

onEach('set with ifVersion rejects with CONFLICT once the version has changed', async (t, engine) => {
  await engine.set('a', 1);
  const { version } = await engine.getEntry('a');
  await engine.set('a', 3, { ifVersion: version });
  await t.throwsAsync(engine.set('a', 4, { ifVersion: version }), CONFLICT);
  t.is(await engine.get('a'), 3);
});

onEach('setMany with ifAbsent writes nothing where one of its keys is there', async (t, engine) => {
  await engine.set('a', 3);
  await t.throwsAsync(
    engine.setMany(
      [
        ['b', 1],
        ['a', 5],
      ],
      { ifAbsent: true },
    ),
    CONFLICT,
  );
  t.deepEqual(await engine.getMany(['a', 'b']), [3, null]);
});

test('versions that no engine gave match nothing', async (t) => {
  const engine = new MemoryStorage();
  await engine.set('a', 1);
  for (const version of ['zz', '0', ' 1', 'f'.repeat(40)])
    t.false((await engine.compareAndSet('a', version, 2)).ok, version);
});

test('what is no version is refused', async (t) => {
  const engine = new MemoryStorage();
  await t.throwsAsync(engine.compareAndSet('a', '', 2), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(engine.compareAndSet('a', undefined, 2), { code: 'INVALID_ARGUMENT' });
});

// On redis only value and expiry belong to the version.
const EXACT = ENGINE_NAMES.filter((name) => name !== 'redis');

onEach(
  'of many that race to count in metadata, each counts once',
  async (t, engine) => {
    await engine.set('a', 'same', { metadata: { hits: 0 } });
    const hit = async () => {
      for (;;) {
        const { value, version, metadata } = await engine.getEntry('a');
        const next = { metadata: { hits: metadata.hits + 1 }, ifVersion: version };
        const code = await engine.set('a', value, next).catch((error) => error.code);
        if (code !== 'CONFLICT') return t.is(code, undefined);
      }
    };
    await Promise.all(Array.from({ length: 20 }, hit));
    t.deepEqual((await engine.getEntry('a')).metadata, { hits: 20 });
  },
  EXACT,
);

for (const name of EXACT) {
  test(`${name}: of many transactions that count in metadata, each counts once`, async (t) => {
    const options = await ENGINES[name].config(t);
    const storage = new StorageManager({ defaultEngine: name, ...(name !== 'custom' && { [name]: options }) });
    if (name === 'custom') storage.registerEngine(name, options);
    const engine = storage.getEngine(name);
    await engine.set('a', 'same', { metadata: { hits: 0 } });
    const hit = () =>
      storage.transaction(
        async (tx) => {
          const { value, metadata } = await tx.engine(name).getEntry('a');
          await tx.engine(name).set('a', value, { metadata: { hits: metadata.hits + 1 } });
        },
        { retries: 100 },
      );
    await Promise.all(Array.from({ length: 20 }, hit));
    t.deepEqual((await engine.getEntry('a')).metadata, { hits: 20 });
    await storage.close();
  });
}

onEach(
  'a key that was deleted and made again has another version',
  async (t, engine) => {
    await engine.set('a', 1);
    const { version, createdAt } = await engine.getEntry('a');
    await engine.delete('a');
    while (Date.now() <= createdAt) await delay(1);
    await engine.set('a', 1);
    await t.throwsAsync(engine.set('a', 2, { ifVersion: version }), CONFLICT);
  },
  EXACT.filter((name) => name !== 'custom'),
);
