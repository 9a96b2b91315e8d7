import test from 'ava';
import { BaseStorageEngine, JavaScriptEngine, KeyValueStore, StorageError, StorageManager } from '../helpers/entry.mjs';
import { collect } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

function register(target) {
  const storage = new StorageManager({ defaultEngine: 'mine', engines: { mine: target } });
  return { storage, engine: storage.getEngine() };
}

test('an object with the eight methods is wrapped once', (t) => {
  const target = new BareEngine();
  const { storage, engine } = register(target);
  t.true(engine instanceof JavaScriptEngine);
  t.is(engine.target, target);
  t.is(engine.name, 'mine');
  storage.registerEngine('again', target);
  t.is(storage.getEngine('again'), engine);
});

test('an object with the eight methods gets the calls of a full engine', async (t) => {
  const target = new BareEngine();
  const { engine } = register(target);
  await new KeyValueStore(target, 'p').mset([
    ['a', 1],
    ['b', [2]],
  ]);
  t.deepEqual(await engine.getMany(['p/a', 'p/b', 'x']), [1, [2], null]);
  t.deepEqual(await collect(engine.entries()), [
    ['p/a', 1],
    ['p/b', [2]],
  ]);
  t.is(await engine.increment('n', 2), 2);
  t.is(await engine.count('p/*'), 2);
});

test('it is connected with the first call and disconnected once', async (t) => {
  const target = new BareEngine();
  const { storage, engine } = register(target);
  storage.registerEngine('again', target);
  await new KeyValueStore(target, 'p').set('a', 1);
  await engine.get('p/a');
  t.deepEqual(target.calls, ['connect']);
  await engine.disconnect();
  t.deepEqual(target.calls, ['connect', 'disconnect']);
});

class MapStorage extends BaseStorageEngine {
  connects = 0;
  map = new Map();
  constructor(config) {
    super('map', config);
  }
  async doConnect() {
    this.connects++;
    if (this.config.url !== 'here') throw new Error('the configuration did not arrive');
  }
  async doDisconnect() {
    this.connects--;
  }
  async get(key) {
    await this.ensureConnected();
    return this.map.get(key);
  }
  async set(key, value) {
    await this.ensureConnected();
    this.map.set(key, value);
  }
  async delete(key) {
    return this.map.delete(key);
  }
  async has(key) {
    return this.map.has(key);
  }
  async keys() {
    return [...this.map.keys()];
  }
  async clear() {
    this.map.clear();
  }
}

test('a subclass of BaseStorageEngine has the configuration that it was given', (t) => {
  t.is(new MapStorage({ url: 'here' }).config.url, 'here');
});

test('a subclass of BaseStorageEngine connects once however many calls race', async (t) => {
  const alone = new MapStorage({ url: 'here' });
  await Promise.all([alone.get('a'), alone.get('b'), alone.set('c', 1)]);
  t.is(alone.connects, 1);
  t.is(alone.status, 'connected');
  await alone.disconnect();
  t.is(alone.connects, 0);
});

test('a registered subclass of BaseStorageEngine connects once however many calls race', async (t) => {
  const { engine } = register(new MapStorage({ url: 'here' }));
  await Promise.all([engine.set('a', 1), engine.set('b', 2)]);
  t.is(engine.target.connects, 1);
  t.deepEqual(await engine.keys({ reverse: true }), ['b', 'a']);
});

test('it gets copies of values', async (t) => {
  const target = new BareEngine();
  const { engine } = register(target);
  const value = { when: new Date(1), list: [1] };
  await engine.set('a', value);
  t.deepEqual(target.records.get('a'), value);
  t.not(target.records.get('a'), value);
});

test('its values are given out as copies', async (t) => {
  const target = new BareEngine();
  const { engine } = register(target);
  const value = { when: new Date(1), list: [1] };
  await engine.set('a', value);
  (await engine.get('a')).list.push(2);
  t.deepEqual(target.records.get('a'), value);
});

test('a value that cannot be stored does not reach it', async (t) => {
  const target = new BareEngine();
  const { engine } = register(target);
  await t.throwsAsync(
    engine.set('b', () => 1),
    { code: 'UNSUPPORTED_VALUE' },
  );
  t.false(target.records.has('b'));
});

test('an error of its own is IO with the cause', async (t) => {
  const cause = new Error('the dog ate it');
  const target = Object.assign(new BareEngine(), {
    get: async () => {
      throw cause;
    },
  });
  const { engine } = register(target);
  const error = await t.throwsAsync(engine.get('a'), { code: 'IO' });
  t.is(error.cause, cause);
  t.like(error, { engine: 'mine', key: 'a', operation: 'get' });
});

test('a StorageError that it throws keeps its code', async (t) => {
  const target = Object.assign(new BareEngine(), {
    set: () => {
      throw new StorageError('NO_SPACE', 'full');
    },
  });
  const { engine } = register(target);
  t.like(await t.throwsAsync(engine.set('a', 1), { code: 'NO_SPACE' }), { engine: 'mine', key: 'a' });
});

test('keys that are no array of strings are IO', async (t) => {
  const { engine } = register(Object.assign(new BareEngine(), { keys: async () => 'a' }));
  await t.throwsAsync(engine.keys(), { code: 'IO', message: /array of strings/ });
});

test('a connect that fails fails the calls that waited, and is tried again by the next', async (t) => {
  const target = new BareEngine();
  let fail = true;
  target.connect = async () => {
    if (fail) throw new Error('no');
  };
  const { engine } = register(target);
  await t.throwsAsync(Promise.all([engine.get('a'), engine.set('b', 1)]), { code: 'IO' });
  t.is(engine.status, 'idle');
  fail = false;
  await engine.set('a', 1);
  t.is(await engine.get('a'), 1);
});

test('what it does not declare is NOT_SUPPORTED', async (t) => {
  const { engine } = register(new BareEngine());
  const error = { code: 'NOT_SUPPORTED' };
  await t.throwsAsync(engine.set('a', 1, { ttl: 5 }), error);
  await t.throwsAsync(engine.set('a', 1, { metadata: 1 }), error);
  await t.throwsAsync(engine.set('a', 1, { ifVersion: 'x' }), error);
  await t.throwsAsync(engine.compareAndSet('a', null, 1), error);
  await t.throwsAsync(engine.getEntry('a'), error);
  await t.throwsAsync(engine.snapshot(), error);
  await t.throwsAsync(engine.batch([{ type: 'set', key: 'a', value: 1, ttl: 5 }]), error);
  await t.throwsAsync(
    engine.batch([
      { type: 'set', key: 'b', value: 1 },
      { type: 'check', key: 'a', version: 'x' },
    ]),
    error,
  );
  t.is(await engine.count(), 0);
});

test('ifAbsent needs no declaration', async (t) => {
  const { engine } = register(new BareEngine());
  await engine.set('a', 1, { ifAbsent: true });
  await t.throwsAsync(engine.set('a', 2, { ifAbsent: true }), { code: 'CONFLICT' });
});

test('a value that is none is CORRUPTED', async (t) => {
  const target = new BareEngine();
  target.records.set('good', 1).set('bad', () => 1);
  const { engine } = register(target);
  await t.throwsAsync(engine.get('bad'), { code: 'CORRUPTED' });
});

test('verify finds a value that is none, and tells how far it is', async (t) => {
  const target = new BareEngine();
  target.records.set('good', 1).set('bad', () => 1);
  const { engine } = register(target);
  const seen = [];
  const report = await engine.verify({ onProgress: (progress) => seen.push(progress.done) });
  t.like(report, { ok: false, checked: 2 });
  t.deepEqual(
    report.errors.map(({ key, code }) => [key, code]),
    [['bad', 'CORRUPTED']],
  );
  t.deepEqual(seen, [1, 2]);
});

test('the manager closes it only if it owns it', async (t) => {
  const [given, owned] = [new BareEngine(), new BareEngine()];
  const storage = new StorageManager({ engines: { given } }).registerEngine('owned', owned, { own: true });
  await storage.connect();
  await storage.close();
  t.deepEqual(given.calls, ['connect']);
  t.deepEqual(owned.calls, ['connect', 'disconnect']);
  await t.throwsAsync(storage.getEngine('owned').get('a'), { code: 'CLOSED' });
});
