// The stack of a rejected call shows the line that made the call, however late the error came.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  FileStorage,
  KeyValueStore,
  LevelDBStorage,
  RedisStorage,
  SQLiteStorage,
  StorageError,
  StorageManager,
} from '../helpers/entry.mjs';
import { collect, folderOf, freshPrefix, onEach } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';
import { startRedis } from '../helpers/redis-server.mjs';
import { byOthers, onEachTransactional } from '../helpers/transactions.mjs';

/** Fails unless the stack of what `call` rejects with names a line of this file behind the one that awaits it. */
async function namesTheLine(t, what, call) {
  const error = await t.throwsAsync(async () => {
    await call();
  });
  const lines = error.stack.split('\n').filter((line) => line.includes('stacks.test.mjs'));
  t.true(lines.length > 0, `${what}: ${error.stack}`);
  t.true(error.stack.startsWith(`${error.name}: ${error.message}`), `${what}: ${error.stack}`);
  return error;
}

const WRONG = {
  'a wrong key': (data) => data.get(5),
  'an empty key': (data) => data.set('', 1),
  'a wrong value': (data) => data.set('a', () => 1),
  'a wrong value deep inside': (data) => data.set('a', { b: [[[{ c: new Map([[1, [Symbol('s')]]]) }]]] }),
  'a wrong value in a batch': (data) => data.batch([{ type: 'set', key: 'a', value: undefined }]),
  'a wrong option': (data) => data.set('a', 1, { tll: 5 }),
  'a wrong range': (data) => data.keys({ limit: -1 }),
  'a wrong query of an iterator': (data) => data.entries(5).next(),
  'an argument too many': (data) => data.get('a', {}, 5),
  'setMany of what is no list': (data) => data.setMany(5),
  'a failed condition': (data) => data.set('a', 1, { ifVersion: 'ff' }),
  'a failed condition of a delete': (data) => data.delete('a', { ifVersion: 'ff' }),
  'a failed check': (data) => data.batch([{ type: 'check', key: 'a', version: 'ff' }]),
  'an increment of a text': async (data) => (await data.set('text', 'x'), data.increment('text')),
  'an aborted call': (data) => data.get('a', { signal: AbortSignal.abort() }),
};

onEach('each kind of wrong call', async (t, engine) => {
  for (const [what, call] of Object.entries(WRONG)) {
    await namesTheLine(t, what, () => call(engine));
    await namesTheLine(t, `${what}, beside others`, () => Promise.all([engine.has('a'), call(engine)]));
  }
  await engine.disconnect();
  for (const [what, call] of Object.entries(WRONG)) {
    await engine.disconnect();
    await namesTheLine(t, `${what}, while the engine connects`, () => call(engine));
  }
  const store = new KeyValueStore(engine, 'p');
  for (const [what, call] of Object.entries(WRONG))
    if (!/batch|check|setMany/.test(what)) await namesTheLine(t, `${what}, of a store`, () => call(store));
});

onEach('a call that is aborted while it runs', async (t, engine) => {
  await engine.disconnect();
  const controller = new AbortController();
  setImmediate(() => controller.abort());
  await namesTheLine(t, 'aborted', () =>
    Promise.all([
      engine.get('a', { signal: controller.signal }),
      new Promise((resolve) => setTimeout(resolve, 50)),
    ]).then(() => engine.get('a', { signal: controller.signal })),
  );
  const iterator = engine.watch('*', { signal: AbortSignal.timeout(5) });
  await namesTheLine(t, 'a watch', () => iterator.next());
});

onEach('iterators and watches that end with their engine', async (t, engine) => {
  await engine.setMany(Array.from({ length: 500 }, (_, index) => [`k${index}`, 'x'.repeat(500)]));
  const iterator = engine.entries();
  await iterator.next();
  const watch = engine.watch();
  await watch.ready;
  const watched = namesTheLine(t, 'a watch', () => watch.next());
  await engine.disconnect();
  await namesTheLine(t, 'an iterator', () => collect(iterator));
  await watched;
});

onEachTransactional('transactions', async (t, storage, engine) => {
  await engine.set('n', 1);
  const conflicting = async (tx) => {
    await tx.get('n');
    await byOthers(() => engine.increment('n'));
    await tx.set('m', 1);
  };
  await namesTheLine(t, 'a conflict', () => storage.transaction(conflicting, { retries: 1 }));
  const tx = await storage.beginTransaction();
  await conflicting(tx);
  await namesTheLine(t, 'a commit', () => tx.commit());
  await namesTheLine(t, 'a call behind the end', () => tx.get('a'));
  const reading = await storage.beginTransaction({ readOnly: true });
  await reading.get('n');
  await namesTheLine(t, 'a write of a reader', () => reading.set('n', 1));
  for (const [what, call] of Object.entries(WRONG)) {
    await namesTheLine(t, `${what}, in a transaction`, () => storage.transaction(call));
  }
  const line = await namesTheLine(t, 'options', () => storage.transaction(conflicting, { retrys: 1 }));
  t.is(line.code, 'INVALID_ARGUMENT');
});

test('engines that cannot be opened name each of the lines that wait for them', async (t) => {
  const folder = folderOf(t);
  const file = join(folder, 'file');
  writeFileSync(file, 'no folder');
  mkdirSync(join(folder, 'folder'));
  for (const engine of [
    new FileStorage({ basePath: join(file, 'x') }),
    new LevelDBStorage({ path: join(file, 'x') }),
    new SQLiteStorage({ path: join(folder, 'folder') }),
    new RedisStorage({ port: 1, connectTimeout: 50 }),
  ]) {
    await namesTheLine(t, `${engine.name}.connect`, () => engine.connect());
    await namesTheLine(t, `${engine.name}.get`, () => engine.get('a'));
    const first = t.throwsAsync(async function one() {
      await engine.get('a');
    });
    const second = t.throwsAsync(async function two() {
      await engine.set('a', 1);
    });
    t.regex((await first).stack, /async one .*stacks\.test\.mjs/);
    t.regex((await second).stack, /async two .*stacks\.test\.mjs/);
    if (engine.capabilities.sync) await namesTheLine(t, `${engine.name}.getSync`, async () => engine.getSync('a'));
  }
});

test('a server that is lost', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const engine = new RedisStorage({
    url: server.url,
    keyPrefix: freshPrefix(),
    connectTimeout: 100,
    commandTimeout: 100,
  });
  await engine.set('a', 1);
  await server.stop();
  for (const call of [
    () => engine.get('a'),
    () => engine.set('a', 1),
    () => engine.getMany(['a']),
    () => engine.keys(),
    () => collect(engine.entries()),
    () => engine.increment('a'),
    () => engine.verify(),
    () => engine.stats(),
  ]) {
    await namesTheLine(t, String(call), call);
  }
});

test('what an engine of your own throws keeps its own lines', async (t) => {
  class Failing extends BareEngine {
    async get() {
      throw new Error('inside');
    }
    async set() {
      throw new StorageError('NO_SPACE', 'full');
    }
  }
  const engine = new StorageManager({ engines: { mine: new Failing() } }).getEngine('mine');
  const read = await namesTheLine(t, 'get', () => engine.get('a'));
  t.regex(read.cause.stack, /Failing\.get .*stacks\.test\.mjs/);
  const written = await namesTheLine(t, 'set', () => engine.set('a', 1));
  t.regex(written.stack, /Failing\.set .*stacks\.test\.mjs/);
  t.regex(written.stack, /Failing\.set .*[^]*async .*stacks\.test\.mjs/, 'and those of the caller');
});

test.serial('a limit of the application on stacks is respected', async (t) => {
  const engine = new StorageManager().getEngine('memory');
  const before = Error.stackTraceLimit;
  t.teardown(() => (Error.stackTraceLimit = before));
  Error.stackTraceLimit = 0;
  const { stack } = await t.throwsAsync(engine.get(5));
  Error.stackTraceLimit = before;
  t.is(stack, 'StorageTypeError: Expected the key to be a string, got a number');
});
