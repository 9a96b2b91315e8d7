import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const CALL = new URL('programs/call.mjs', import.meta.url);
const CALLING_THREAD = new URL('../helpers/worker.mjs', import.meta.url);
const WRITING_THREAD = new URL('programs/write-in-thread.mjs', import.meta.url);

const optionsOf = (t, name) => ({
  [name === 'file' ? 'basePath' : 'path']: join(folderOf(t), name === 'sqlite' ? 'store.db' : 'store'),
  durability: 'normal',
});
const open = (name, options) => new StorageManager({ defaultEngine: name, [name]: options });

/** A thread with an engine of its own. `call` runs one of its methods, and gives the result or the error's code. */
function thread(t, name, options) {
  const worker = new Worker(CALLING_THREAD, { workerData: { name, options } });
  t.teardown(() => worker.terminate());
  const waiting = new Map();
  let last = 0;
  worker.on('message', ({ id, result, code }) => waiting.get(id)(code ?? result));
  const call = (method, ...args) =>
    new Promise((resolve) => {
      waiting.set(++last, resolve);
      worker.postMessage({ id: last, method, args });
    });
  return { call, worker };
}

for (const name of ['file', 'sqlite', 'leveldb']) {
  /** An engine that two threads have open, too. */
  async function shared(t) {
    const options = optionsOf(t, name);
    const storage = open(name, options);
    const engine = storage.getEngine();
    await engine.set('main', 1);
    const threads = [thread(t, name, options), thread(t, name, options)];
    for (const { call } of threads) await call('get', 'main');
    return { options, storage, engine, threads };
  }

  test(`${name}: threads on one path see at once what the others wrote`, async (t) => {
    const { storage, engine, threads } = await shared(t);
    for (const [index, { call }] of threads.entries()) {
      t.is(await call('get', 'main'), 1);
      await call('set', `thread${index}`, index);
      t.is(await engine.get(`thread${index}`), index);
    }
    await storage.close();
  });

  test(`${name}: increments of several threads all count`, async (t) => {
    const { storage, engine, threads } = await shared(t);
    await Promise.all([
      ...threads.map(async ({ call }) => {
        for (let n = 0; n < 30; n++) await call('increment', 'n');
      }),
      ...Array.from({ length: 30 }, () => engine.increment('n')),
    ]);
    t.is(await engine.get('n'), 90);
    await storage.close();
    t.is(await threads[1].call('get', 'n'), 90, 'the others go on');
  });

  test(`${name}: conditions hold for threads`, async (t) => {
    const { storage, threads } = await shared(t);
    t.is(await threads[0].call('compareAndSet', 'main', 'no version', 2).then(({ ok }) => ok), false);
    await storage.close();
  });

  test(`${name}: a store stays open for its threads until the last of them closes it`, async (t) => {
    const { options, storage, threads } = await shared(t);
    await storage.close();
    await threads[0].call('close');
    t.is(await threads[1].call('get', 'main'), 1, 'the others go on');
    const write = { name, options, method: 'set', given: ['other', 1] };
    if (name !== 'sqlite') t.deepEqual(await program(CALL, write), ['LOCKED']);
    await threads[1].call('close');
    t.deepEqual(await program(CALL, write), ['ok'], 'the last user closed it');
  });

  test(`${name}: a second user of one path with other options is refused while the first has it open`, async (t) => {
    const options = optionsOf(t, name);
    const storage = open(name, options);
    await storage.getEngine().set('a', 1);
    const other = thread(t, name, { ...options, durability: 'full' });
    t.is(await other.call('get', 'a'), 'INVALID_ARGUMENT');
    await t.throwsAsync(
      open(name, { ...options, readOnly: true })
        .getEngine()
        .get('a'),
      { code: 'INVALID_ARGUMENT' },
    );
    t.is(await storage.getEngine().get('a'), 1);
    await storage.close();
    t.is(await other.call('get', 'a'), 1, 'once nobody has it open');
  });

  test(`${name}: a second user of one path with the same options shares the store`, async (t) => {
    const options = optionsOf(t, name);
    const storage = open(name, options);
    await storage.getEngine().set('a', 1);
    const alike = open(name, options);
    t.is(await alike.getEngine().get('a'), 1);
    await alike.close();
    t.is(await storage.getEngine().get('a'), 1);
    await storage.close();
  });
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
  test(`${name}: threads that are terminated lose nothing acknowledged, and the store goes on`, async (t) => {
    const options = name === 'redis' ? await ENGINES.redis.config(t) : name === 'memory' ? {} : optionsOf(t, name);
    const storage = open(name, options);
    const engine = storage.getEngine();
    await engine.set('main', 1);
    for (let round = 0; round < 8; round++) {
      const counter = new SharedArrayBuffer(4);
      const seen = new Int32Array(counter);
      const worker = new Worker(WRITING_THREAD, { workerData: { name, options, counter, thread: `t${round}` } });
      const failed = once(worker, 'error').then(([error]) => t.fail(error.stack));
      while (Atomics.load(seen, 0) < 20) await Promise.race([new Promise(setImmediate), failed]);
      const acknowledgedThen = Atomics.load(seen, 0);
      t.is(await worker.terminate(), 1);
      const acknowledged = Atomics.load(seen, 0);
      t.true(acknowledged >= acknowledgedThen);
      if (name !== 'memory') {
        t.true((await engine.count(`t${round}/*`)) >= acknowledged, `${acknowledged} were acknowledged`);
      }
      t.is(await engine.get('main'), 1);
    }
    await engine.set('after', 1);
    t.true((await engine.verify()).ok);
    if (name === 'redis') await engine.clear();
    await storage.close();
    if (name === 'file' || name === 'leveldb')
      t.deepEqual(await program(CALL, { name, options, method: 'get', given: ['after'] }), ['ok']);
  });
}
