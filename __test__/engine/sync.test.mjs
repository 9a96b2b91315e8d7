import test from 'ava';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, freshPrefix, onEach } from '../helpers/engines.mjs';

const WITH_SYNC = ['memory', 'file', 'sqlite', 'leveldb'];

onEach(
  'synchronous calls open the engine, and read what they wrote',
  (t, engine) => {
    t.true(engine.capabilities.sync);
    t.is(engine.getSync('a'), null);
    engine.setSync('a', { date: new Date(3) });
    t.is(engine.status, 'connected');
    t.deepEqual(engine.getSync('a'), { date: new Date(3) });
  },
  WITH_SYNC,
);

onEach(
  'setSync takes the options of set',
  async (t, engine) => {
    engine.setSync('b', Buffer.from([1]), { ttl: 60_000, metadata: 'm' });
    t.deepEqual(engine.getSync('b'), Buffer.from([1]));
    const { expiresAt, metadata } = await engine.getEntry('b');
    t.true(expiresAt > Date.now());
    t.is(metadata, 'm');
  },
  WITH_SYNC,
);

onEach(
  'hasSync and deleteSync tell whether the key is there',
  (t, engine) => {
    engine.setSync('a', 1);
    t.true(engine.hasSync('a'));
    t.true(engine.deleteSync('a'));
    t.false(engine.deleteSync('a'));
    t.false(engine.hasSync('a'));
  },
  WITH_SYNC,
);

onEach(
  'a synchronous call comes behind the calls made before it',
  async (t, engine) => {
    const write = engine.set('a', 1); // the engine is not connected yet
    t.is(engine.getSync('a'), 1);
    const second = engine.set('a', 2);
    t.is(engine.getSync('a'), 2);
    engine.setSync('a', 3);
    t.is(await engine.get('a'), 3);
    await Promise.all([write, second]);
  },
  WITH_SYNC,
);

onEach(
  'a synchronous call connects again after a disconnect',
  async (t, engine) => {
    await engine.set('a', 1);
    await engine.disconnect();
    t.is(engine.getSync('a'), 1);
    t.is(engine.status, 'connected');
  },
  WITH_SYNC,
);

onEach(
  'a synchronous call during a disconnect connects again',
  async (t, engine) => {
    await engine.set('a', 1);
    const disconnecting = engine.disconnect();
    t.is(engine.getSync('a'), 1);
    await disconnecting;
    t.is(engine.status, 'connected');
    t.is(await engine.get('a'), 1);
  },
  WITH_SYNC,
);

onEach(
  'synchronous calls throw what the others reject with',
  (t, engine) => {
    t.throws(() => engine.getSync(''), { code: 'INVALID_KEY' });
    t.throws(() => engine.setSync('docs/a', 1), { code: 'INVALID_KEY' });
    t.throws(() => engine.setSync('a', () => 1), { code: 'UNSUPPORTED_VALUE' });
    t.throws(() => engine.setSync('a', 1, { signal: 1 }), { code: 'INVALID_ARGUMENT' });
    t.throws(() => engine.deleteSync(1), { code: 'INVALID_ARGUMENT' });
  },
  WITH_SYNC,
);

test('engines without synchronous calls say so', async (t) => {
  for (const name of ['redis', 'custom']) {
    const config =
      name === 'redis' ? { host: '127.0.0.1', port: 1, keyPrefix: freshPrefix() } : await ENGINES[name].config(t);
    const engine = ENGINES[name].make(config);
    t.false(engine.capabilities.sync);
    for (const call of [
      () => engine.getSync('a'),
      () => engine.hasSync('a'),
      () => engine.setSync('a', 1),
      () => engine.deleteSync('a'),
    ]) {
      t.throws(call, { code: 'NOT_SUPPORTED' });
    }
  }
});

test('a closed engine refuses synchronous calls', async (t) => {
  const storage = new StorageManager();
  await storage.close();
  t.throws(() => storage.getEngine('memory').getSync('a'), { code: 'CLOSED' });
});

test('asynchronous reads see a first write that was synchronous', async (t) => {
  const alone = new MemoryStorage();
  alone.setSync('a', 1);
  t.is(await alone.get('a'), 1);
});
