import test from 'ava';
import * as holdfast from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

const { FileStorage, LevelDBStorage, MemoryStorage, RedisStorage, SQLiteStorage, StorageManager } = holdfast;
const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

onEach('arguments of a wrong type reject with a TypeError that says what was expected', async (t, engine) => {
  for (const [call, message] of [
    [() => engine.get(), /Expected the key to be a string, got undefined/],
    [() => engine.get({}), /Expected the key to be a string, got an object/],
    [() => engine.set(null, 1), /the key to be a string, got null/],
    [() => engine.has(1n), /got a bigint/],
    [() => engine.delete(Symbol('k')), /got a symbol/],
    [() => engine.keys(5), /keys to be a glob or a range, got a number/],
    [() => engine.keys({ form: 'a' }), /Unknown option form of keys/],
    [() => engine.keys({ limit: -1 }), /option limit of keys to be an integer/],
    [() => engine.count({ reverse: 'yes' }), /option reverse of count to be a boolean/],
    [() => engine.getMany('abc'), /getMany to be given an iterable of keys, got a string/],
    [() => engine.getMany(), /got undefined/],
    [() => engine.setMany({ a: 1 }), /setMany to be given an iterable of \[key, value\] pairs/],
    [() => engine.setMany(['ab']), /a \[key, value\] pair, got a string/],
    [() => engine.batch([{ type: 'put', key: 'a' }]), /option type of batch to be 'set', 'delete' or 'check'/],
    [() => engine.batch([null]), /operation of batch to be an object, got null/],
    [() => engine.batch([{ type: 'check', key: 'a' }]), /version given to batch to be a string or null/],
    [() => engine.compareAndSet('a', 5, 1), /string or null, got a number/],
    [() => engine.set('a', 1, 5), /options of set to be an object, got a number/],
    [() => engine.set('a', 1, { signal: {} }), /option signal of set to be an AbortSignal/],
    [() => engine.verify({ onProgress: 1 }), /option onProgress of verify to be a function/],
    [() => collect(engine.entries(5)), /a glob or a range/],
  ]) {
    const error = await t.throwsAsync(call(), { ...TYPE_ERROR, message }, String(call));
    t.true(error instanceof TypeError);
    t.is(error.engine, engine.name);
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('a range with a lone surrogate is refused', async (t, engine) => {
  for (const query of ['\ud800*', { prefix: '\udc00' }, { gt: 'a\ud800' }])
    await t.throwsAsync(engine.keys(query), { code: 'INVALID_KEY' });
});

onEach('an iterable that throws rejects with its own error', async (t, engine) => {
  const broken = {
    *[Symbol.iterator]() {
      yield ['a', 1];
      throw new Error('mine');
    },
  };
  await t.throwsAsync(engine.setMany(broken), { message: 'mine' });
  t.false(await engine.has('a'));
});

test('constructors refuse missing, unknown and mistyped options', (t) => {
  for (const [make, message] of [
    [() => new FileStorage(), /option basePath of FileStorage to be a non-empty string, .*; it is missing/],
    [() => new FileStorage({ basePath: 5 }), /basePath of FileStorage/],
    [() => new FileStorage({ basePath: 'x', encoding: 'latin1' }), /'utf-8' or 'utf16le'/],
    [() => new FileStorage({ basepath: 'x' }), /did you mean basePath/],
    [() => new SQLiteStorage({ path: '' }), /a non-empty string/],
    [() => new SQLiteStorage({ path: 'x', verbose: 1 }), /a boolean or a function/],
    [() => new SQLiteStorage({ path: 'x', busyTimeout: -1 }), /integer/],
    [() => new LevelDBStorage({ path: 'x', compression: 'gzip' }), /'none', 'snappy', 'lz4' or 'zstd'/],
    [() => new RedisStorage({ port: 70_000 }), /1 to 65535/],
    [() => new RedisStorage({ url: 'redis://x', host: 'y' }), /one of the options url and host/],
    [() => new RedisStorage({ tls: 'yes' }), /a boolean or an object/],
    [() => new RedisStorage({ tls: { ca: 5 } }), /option tls.ca/],
    [() => new MemoryStorage({ eviction: 'fifo' }), /'none' or 'lru'/],
    [() => new MemoryStorage({ maxBytes: 0 }), /integer, 1 or more/],
    [() => new StorageManager({ sqllite: {} }), /did you mean sqlite/],
    [() => new StorageManager({ durability: 'high' }), /'full', 'normal' or 'none'/],
    [() => new StorageManager({ retry: { attempts: 0 } }), /retry.attempts/],
    [() => new StorageManager({ file: {} }), /basePath/],
    [() => new StorageManager({ engines: { mine: {} } }), /to have the methods connect/],
    [() => new StorageManager({ memory: 5 }), /option memory of StorageManager to be an object/],
    [() => new StorageManager(5), /options of StorageManager to be an object/],
  ]) {
    t.throws(make, { ...TYPE_ERROR, message }, String(make));
  }
});

test('an engine that is not there is told by name', (t) => {
  const storage = new StorageManager();
  t.throws(() => storage.getEngine(), { code: 'ENGINE_NOT_FOUND', message: 'Storage engine not found: file' });
  t.throws(() => storage.getEngine('none'), { code: 'ENGINE_NOT_FOUND', message: 'Storage engine not found: none' });
  t.throws(() => storage.getEngine(5), TYPE_ERROR);
  t.throws(() => storage.registerEngine('', {}), TYPE_ERROR);
  t.throws(() => storage.registerEngine('mine', null), TYPE_ERROR);
  t.throws(() => storage.on('eror', () => {}), { ...TYPE_ERROR, message: /one of error, retry, reconnect, recovered/ });
  t.throws(() => storage.on('error', 5), TYPE_ERROR);
});

test('maxValueBytes bounds what every engine of a manager takes', async (t) => {
  const storage = new StorageManager({ defaultEngine: 'memory', maxValueBytes: 10 });
  await storage.getEngine().set('a', '12345678');
  await t.throwsAsync(storage.getEngine().set('a', '123456789'), { code: 'VALUE_TOO_LARGE' });
  await t.throwsAsync(storage.getEngine().set('a', Buffer.alloc(11)), { code: 'VALUE_TOO_LARGE' });
  await storage.close();
});
