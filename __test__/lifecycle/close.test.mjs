// Close finishes the calls made before it, and refuses later ones.
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES, collect } from '../helpers/engines.mjs';

const CLOSED = { code: 'CLOSED', name: 'StorageError' };

const CALLS = {
  connect: (engine) => engine.connect(),
  get: (engine) => engine.get('a'),
  set: (engine) => engine.set('a', 1),
  'set with options': (engine) => engine.set('a', 1, { ttl: 5 }),
  'set with a condition': (engine) => engine.set('a', 1, { ifAbsent: true }),
  'set with a signal': (engine) => engine.set('a', 1, { signal: new AbortController().signal }),
  delete: (engine) => engine.delete('a'),
  has: (engine) => engine.has('a'),
  keys: (engine) => engine.keys(),
  'keys of a range': (engine) => engine.keys({ prefix: 'a' }),
  count: (engine) => engine.count(),
  clear: (engine) => engine.clear(),
  getMany: (engine) => engine.getMany(['a']),
  'getMany of nothing': (engine) => engine.getMany([]),
  setMany: (engine) => engine.setMany([['a', 1]]),
  'setMany of nothing': (engine) => engine.setMany([]),
  deleteMany: (engine) => engine.deleteMany(['a']),
  batch: (engine) => engine.batch([{ type: 'set', key: 'a', value: 1 }]),
  'batch of nothing': (engine) => engine.batch([]),
  compareAndSet: (engine) => engine.compareAndSet('a', null, 1),
  increment: (engine) => engine.increment('a'),
  getEntry: (engine) => engine.getEntry('a'),
  stats: (engine) => engine.stats(),
  verify: (engine) => engine.verify(),
  compact: (engine) => engine.compact(),
  entries: (engine) => engine.entries().next(),
  values: (engine) => engine.values().next(),
  keysIterator: (engine) => engine.keysIterator().next(),
  'KeyValueStore get': (engine) => new KeyValueStore(engine, 'p').get('a'),
  'KeyValueStore set': (engine) => new KeyValueStore(engine, 'p').set('a', 1),
  'KeyValueStore mset': (engine) => new KeyValueStore(engine, 'p').mset([['a', 1]]),
  'KeyValueStore keys': (engine) => new KeyValueStore(engine, 'p').keys(),
  'KeyValueStore clear': (engine) => new KeyValueStore(engine, 'p').clear(),
  'KeyValueStore entries': (engine) => new KeyValueStore(engine, 'p').entries().next(),
};

const SYNC = {
  getSync: (engine) => engine.getSync('a'),
  hasSync: (engine) => engine.hasSync('a'),
  setSync: (engine) => engine.setSync('a', 1),
  deleteSync: (engine) => engine.deleteSync('a'),
};

/** A manager with one engine, used if `used`. */
async function manager(t, name, used) {
  const config = await ENGINES[name].config(t);
  const storage = new StorageManager({ defaultEngine: name });
  if (name === 'custom') storage.registerEngine(name, config, { own: true });
  else storage.registerEngine(name, ENGINES[name].make(config), { own: true });
  const engine = storage.getEngine(name);
  if (used) await engine.set('a', 1);
  return { storage, engine };
}

for (const name of ENGINE_NAMES) {
  for (const used of [true, false]) {
    test(`${name}: every call of an engine that was ${used ? '' : 'never '}used is CLOSED after close`, async (t) => {
      const { storage, engine } = await manager(t, name, used);
      await storage.close();
      for (const [call, run] of Object.entries(CALLS)) {
        let promise;
        t.notThrows(() => (promise = run(engine)), `${call} threw`);
        const error = await t.throwsAsync(promise, CLOSED, call);
        t.is(error.engine, engine.name, call);
      }
      if (engine.capabilities.snapshots) await t.throwsAsync(engine.snapshot(), CLOSED);
      for (const [call, run] of Object.entries(SYNC))
        t.throws(() => run(engine), engine.capabilities.sync ? CLOSED : { code: 'NOT_SUPPORTED' }, call);
      await engine.disconnect();
      t.is(engine.status, 'closed');
    });
  }

  /** An engine with 601 records, used before its manager was closed. */
  async function filled(t) {
    const { storage, engine } = await manager(t, name, true);
    await engine.setMany(Array.from({ length: 600 }, (_, index) => [`k${index}`, 'x'.repeat(1_000)]));
    return { storage, engine };
  }

  test(`${name}: close finishes the calls made before it, and refuses one made after it`, async (t) => {
    const { storage, engine } = await filled(t);
    const writes = Array.from({ length: 100 }, (_, index) => engine.set(`w${index}`, index));
    const reads = Array.from({ length: 100 }, (_, index) => engine.get(`w${index}`));
    const closing = storage.close();
    await t.throwsAsync(engine.set('late', 1), CLOSED);
    await Promise.all(writes);
    t.deepEqual(
      await Promise.all(reads),
      Array.from({ length: 100 }, (_, index) => index),
    );
    await closing;
  });

  test(`${name}: iterators from before close end with CLOSED`, async (t) => {
    const { storage, engine } = await filled(t);
    const begun = engine.entries();
    await begun.next();
    const fresh = engine.keysIterator();
    await storage.close();
    await t.throwsAsync(drain(begun), CLOSED);
    await t.throwsAsync(fresh.next(), CLOSED);
    t.deepEqual(await begun.return(), { value: undefined, done: true });
  });

  if (!['redis', 'custom'].includes(name)) {
    test(`${name}: a snapshot from before close is CLOSED`, async (t) => {
      const { storage, engine } = await filled(t);
      const snapshot = await engine.snapshot();
      const inSnapshot = snapshot.entries();
      await inSnapshot.next();
      await storage.close();
      await t.throwsAsync(snapshot.get('a'), CLOSED);
      await t.throwsAsync(snapshot.keys(), CLOSED);
      await t.throwsAsync(snapshot.count(), CLOSED);
      await t.throwsAsync(snapshot.getMany(['a']), CLOSED);
      await t.throwsAsync(drain(inSnapshot), CLOSED);
      await t.throwsAsync(snapshot.entries().next(), CLOSED);
      await snapshot.close();
    });
  }
}

for (const name of ENGINE_NAMES.filter((engine) => engine !== 'custom')) {
  /** A manager that is closing, its engine with 50 writes under way, an iterator and a snapshot of it. */
  async function closing(t) {
    const config = await ENGINES[name].config(t);
    const storage = new StorageManager({ defaultEngine: name, [name]: config });
    const engine = storage.getEngine();
    await engine.clear();
    const writes = Array.from({ length: 50 }, (_, index) => engine.set(`k${index}`, index));
    const iterator = engine.entries();
    await iterator.next();
    const snapshot = engine.capabilities.snapshots ? await engine.snapshot() : undefined;
    return { config, storage, engine, writes, iterator, snapshot, ending: storage.close() };
  }

  test(`${name}: close refuses calls at once and finishes what runs`, async (t) => {
    const { config, storage, engine, writes, ending } = await closing(t);
    await t.throwsAsync(engine.get('k0'), CLOSED);
    await Promise.all(writes);
    await ending;
    await storage.close();
    if (name !== 'memory') {
      const again = new StorageManager({ defaultEngine: name, [name]: config });
      t.is(await again.getEngine().count(), 50);
      await again.getEngine().clear();
      await again.close();
    }
  });

  test(`${name}: after close every kind of call is CLOSED`, async (t) => {
    const { config, storage, engine, iterator, snapshot, ending } = await closing(t);
    await ending;
    t.is(engine.status, 'closed');
    await t.throwsAsync(engine.set('a', 1), CLOSED);
    await t.throwsAsync(engine.connect(), CLOSED);
    await t.throwsAsync(engine.keys(), CLOSED);
    await t.throwsAsync(collect(engine.entries()), CLOSED);
    await t.throwsAsync(iterator.next(), CLOSED);
    if (snapshot !== undefined) await t.throwsAsync(snapshot.get('k0'), CLOSED);
    if (engine.capabilities.sync) t.throws(() => engine.getSync('k0'), CLOSED);
    await t.throwsAsync(storage.connect(), CLOSED);
    await t.throwsAsync(storage.stats(), CLOSED);
    if (name === 'redis') {
      const again = ENGINES.redis.make(config);
      await again.clear();
      await again.disconnect();
    }
  });
}

test('close of an engine that never connected does no I/O', async (t) => {
  const storage = new StorageManager({ sqlite: { path: '/proc/nowhere/x.db' } });
  await storage.close();
  await t.throwsAsync(storage.getEngine('sqlite').get('a'), { code: 'CLOSED' });
});

test('close frees what a disconnected memory engine kept', async (t) => {
  const storage = new StorageManager();
  const engine = storage.getEngine('memory');
  await engine.set('a', 1);
  await engine.disconnect();
  await storage.close();
  await t.throwsAsync(engine.get('a'), { code: 'CLOSED' });
});

test('every call of a closed manager is refused', async (t) => {
  const storage = new StorageManager();
  const store = storage.keyValue('p', { engine: 'memory' });
  await Promise.all([storage.close(), storage.close()]);
  await storage.close();
  for (const call of [
    () => storage.connect(),
    () => storage.stats(),
    () => storage.verify(),
    () => storage.copy({ from: 'memory', to: 'memory' }),
  ]) {
    await t.throwsAsync(call(), CLOSED, String(call));
  }
  t.throws(() => storage.registerEngine('mine', {}), CLOSED);
  await t.throwsAsync(store.get('a'), CLOSED);
});

async function drain(iterator) {
  for await (const item of iterator) void item;
}
