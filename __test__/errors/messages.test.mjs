// What messages say, and what they tell the reader to do.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { FileStorage, LevelDBStorage, MemoryStorage, SQLiteStorage, StorageManager } from '../helpers/entry.mjs';
import { copyApart } from '../helpers/copies.mjs';
import { ENGINES, ENGINE_NAMES, folderOf, freshPrefix, onEach } from '../helpers/engines.mjs';
import { startRedis } from '../helpers/redis-server.mjs';

/** Defines a test for each engine. It gets a manager that has the engine as its default. */
function onEachManaged(title, run) {
  for (const name of ENGINE_NAMES) {
    test(`${name}: ${title}`, async (t) => {
      const { config, make } = ENGINES[name];
      const engine = make(await config(t));
      const storage = new StorageManager({ defaultEngine: 'tested', retry: { minDelay: 1, maxDelay: 4 } });
      storage.registerEngine('tested', engine);
      t.teardown(async () => {
        await storage.close();
        if (name === 'redis') await engine.clear();
        await engine.disconnect();
      });
      await engine.set('n', 1);
      await run(t, storage, engine);
    });
  }
}

onEachManaged('a function that conflicts with itself is told so at once', async (t, storage, engine) => {
  const functions = {
    'through the engine': async (tx) => {
      await tx.get('n');
      await engine.increment('n');
      await tx.set('m', 1);
    },
    'through several calls': async (tx) => {
      const n = await tx.get('n');
      await Promise.all([engine.set('n', n + 1), engine.set('other', n)]);
      await tx.set('m', 1);
    },
    'through a nested transaction': async (tx) => {
      await tx.set('m', await tx.get('n'));
      await storage.transaction((inner) => inner.set('n', Math.random()));
    },
    'through the engine, in a range': async (tx) => {
      await tx.keys('k*');
      await engine.set(`k${Math.random()}`, 1);
      await tx.set('m', 1);
    },
    'through an import': async (tx) => {
      await tx.set('m', await tx.get('n'));
      const line = JSON.stringify({ key: 'n', value: Math.random() });
      const { refused } = await storage.import({ format: 'jsonl', source: Buffer.from(line), to: 'tested' });
      t.deepEqual(refused, []);
    },
  };
  if (engine.capabilities.sync) {
    functions['through a synchronous write'] = async (tx) => {
      await tx.set('m', await tx.get('n'));
      engine.setSync('n', Math.random());
    };
  }
  for (const [how, fn] of Object.entries(functions)) {
    let runs = 0;
    await engine.set('n', 1);
    const failed = storage.transaction((tx) => fn(tx, ++runs));
    const error = await t.throwsAsync(failed, { code: 'CONFLICT', message: /use the methods of its transaction/ }, how);
    t.true(runs <= 3, `${how}: ${runs} runs`);
    t.is(error.cause.code, 'CONFLICT');
  }
  t.false(await engine.has('m'));
});

onEachManaged('a conflict with others tells how many attempts were made', async (t, storage, engine) => {
  let runs = 0;
  const run = async (tx) => {
    runs++;
    await tx.get('n');
    // A timer that was begun before belongs to nobody's function.
    await new Promise((resolve) => others.push(resolve));
    await tx.set('m', 1);
  };
  const others = [];
  const timer = setInterval(async () => {
    if (others.length === 0) return;
    const resolve = others.shift();
    await engine.set('n', Math.random());
    resolve();
  }, 1);
  t.teardown(() => clearInterval(timer));
  await t.throwsAsync(storage.transaction(run, { retries: 3 }), {
    code: 'CONFLICT',
    message: /; it was tried 4 times$/,
  });
  t.is(runs, 4);
  await t.throwsAsync(storage.transaction(run, { retries: 0 }), { code: 'CONFLICT', message: /; it was tried once$/ });
  const nested = storage.transaction(() => storage.transaction(run, { retries: 1 }), { retries: 0 });
  await t.throwsAsync(nested, {
    code: 'CONFLICT',
    message: /another call; it was tried 2 times$|changed; it was tried 2 times$/,
  });
});

onEach('what cannot be stored is named with its key', async (t, engine) => {
  const calls = (value) => [
    engine.set('user:1', value),
    engine.set('user:1', value, { ttl: 5 }),
    engine.setMany([['user:1', value]]),
    engine.batch([{ type: 'set', key: 'user:1', value }]),
  ];
  for (const call of calls(undefined)) {
    const message = 'Cannot store undefined at $, for the key "user:1"';
    t.like(await t.throwsAsync(call), { code: 'UNSUPPORTED_VALUE', key: 'user:1', message });
  }
  for (const call of calls({ name: Promise.resolve('Ada') })) {
    const message = 'Cannot store a Promise at $.name (is an await missing?), for the key "user:1"';
    t.like(await t.throwsAsync(call), { code: 'UNSUPPORTED_VALUE', key: 'user:1', message });
  }
  const long = 'k'.repeat(4096);
  const error = await t.throwsAsync(engine.set(long, undefined), { code: 'UNSUPPORTED_VALUE' });
  t.true(error.message.length < 200);
});

test('a missing engine is told with those that are there, and how to add it', (t) => {
  const storage = new StorageManager({ defaultEngine: 'file', sqlite: { path: 'unused.db' } });
  for (const [name, rest] of [
    [
      undefined,
      "file; there are sqlite, memory; add file: { basePath: './data' } to the configuration of the StorageManager",
    ],
    [
      'redis',
      "redis; there are sqlite, memory; add redis: { url: 'redis://127.0.0.1' } to the configuration of the StorageManager",
    ],
    ['sqlit', 'sqlit; there are sqlite, memory; did you mean sqlite?'],
    ['mine', "mine; there are sqlite, memory; add it with registerEngine('mine', engine)"],
    ['constructor', "constructor; there are sqlite, memory; add it with registerEngine('constructor', engine)"],
  ]) {
    t.throws(() => storage.getEngine(name), { code: 'ENGINE_NOT_FOUND', message: `Storage engine not found: ${rest}` });
  }
  t.is(storage.registerEngine('mine', new MemoryStorage()).getEngine('mine').name, 'memory');
});

const SHARED = {
  file: {
    make: (path, options) => new FileStorage({ basePath: path, ...options }),
    other: { encoding: 'utf16le', durability: 'none' },
    differ: 'encoding is utf8 there and utf16le here, durability is full there and none here',
  },
  sqlite: {
    make: (path, options) => new SQLiteStorage({ path, ...options }),
    other: { poolSize: 3, busyTimeout: 7 },
    differ: /^poolSize is \d+ there and 3 here, busyTimeout is 5000 there and 7 here$/,
  },
  leveldb: {
    make: (path, options) => new LevelDBStorage({ path, ...options }),
    other: { compression: 'zstd' },
    differ: 'compression is snappy there and zstd here',
  },
};

for (const [name, { make, other, differ }] of Object.entries(SHARED)) {
  test(`${name}: a store that is open with other options is told with those that differ`, async (t) => {
    const path = join(folderOf(t), 'store');
    const engine = make(path);
    await engine.set('a', 1);
    const error = await t.throwsAsync(make(path, other).get('a'), { code: 'INVALID_ARGUMENT' });
    const told = /with other options \((.*)\); use the same options, or close it first$/.exec(error.message)?.[1];
    if (typeof differ === 'string') t.is(told, differ);
    else t.regex(told, differ);
    await engine.disconnect();
  });
}

for (const [name, type, pathOption] of [
  ['file', 'FileStorage', 'basePath'],
  ['leveldb', 'LevelDBStorage', 'path'],
]) {
  test(`${name}: LOCKED by another copy of the package in this process says so`, async (t) => {
    const { [type]: Other } = copyApart(t);
    const path = join(folderOf(t), 'store');
    const engine = SHARED[name].make(path);
    await engine.set('a', 1);
    const message = new RegExp('^this process has the store open already, through another copy of holdfast');
    await t.throwsAsync(new Other({ [pathOption]: path }).get('a'), { code: 'LOCKED', message });
    await engine.disconnect();
  });
}

test('too many open files are told as such', async (t) => {
  if (process.platform === 'win32') return t.pass();
  const file = fileURLToPath(new URL('programs/exhaust-files.mjs', import.meta.url));
  const command = ['-c', 'ulimit -n 200 && exec "$@"', 'sh', process.execPath, file];
  const { stdout } = await promisify(execFile)('sh', [...command, JSON.stringify({ folder: folderOf(t) })]);
  const errors = JSON.parse(stdout);
  t.deepEqual(
    errors.map(([name, code]) => [name, code]),
    [
      ['file', 'IO'],
      ['sqlite', 'IO'],
      ['leveldb', 'IO'],
    ],
  );
  for (const [name, , message] of errors) t.regex(message, /EMFILE: close files .*\(ulimit -n\)/, name);
});

test('no message of a lost server repeats itself', async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const options = { url: server.url, keyPrefix: freshPrefix(), connectTimeout: 200, commandTimeout: 200 };
  const { make } = ENGINES.redis;
  const engine = make(options);
  await engine.set('a', 1);
  await server.stop();
  for (const call of [engine.get('a'), engine.set('a', 1), engine.clear(), make(options).get('a')]) {
    const { message } = await t.throwsAsync(call);
    t.is(message.split('no connection to redis').length, 2, message);
  }
});
