import { readdirSync } from 'node:fs';
import test from 'ava';
import * as holdfast from '../helpers/entry.mjs';
import { folderOf, onEach } from '../helpers/engines.mjs';

const { FileStorage, LevelDBStorage, MemoryStorage, RedisStorage, SQLiteStorage, StorageManager } = holdfast;
const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

const NOT_STRINGS = [5, true, null, {}, [], Symbol('s'), () => 'x', 1n];
const NOT_NUMBERS = ['5', true, null, {}, [], NaN, Infinity, -1, 1.5, 2 ** 53, 5n];
const NOT_BOOLEANS = ['true', 1, 0, null, {}, []];
const DURABILITY = ['FULL', '', true, null, 1];

/** Each engine with the options it needs, and for each of its options what that may not be. */
const WRONG = [
  [
    FileStorage,
    { basePath: 'x' },
    {
      basePath: ['', 'a\0b', 'a\ud800', ...NOT_STRINGS],
      encoding: ['utf8', 'UTF-8', ...NOT_STRINGS],
      readOnly: NOT_BOOLEANS,
      lockTimeout: NOT_NUMBERS,
      durability: DURABILITY,
    },
  ],
  [
    SQLiteStorage,
    { path: 'x' },
    {
      path: ['', 'a\0b', 'a\ud800', ...NOT_STRINGS],
      tableName: ['', ...NOT_STRINGS],
      verbose: ['yes', 1, {}, null],
      poolSize: [0, ...NOT_NUMBERS],
      busyTimeout: NOT_NUMBERS,
      readOnly: NOT_BOOLEANS,
      indexUpdatedAt: NOT_BOOLEANS,
      durability: DURABILITY,
    },
  ],
  [
    LevelDBStorage,
    { path: 'x' },
    {
      path: ['', 'a\0b', 'a\ud800', ...NOT_STRINGS],
      cacheSize: NOT_NUMBERS,
      compression: ['gzip', 'LZ4', ...NOT_STRINGS],
      bloomBits: [65, ...NOT_NUMBERS],
      readOnly: NOT_BOOLEANS,
      lockTimeout: NOT_NUMBERS,
      durability: DURABILITY,
    },
  ],
  [
    RedisStorage,
    {},
    {
      url: ['', 'a\ud800', ...NOT_STRINGS],
      host: ['', 'a\ud800', ...NOT_STRINGS],
      port: [0, 65_536, ...NOT_NUMBERS],
      username: ['a\ud800', ...NOT_STRINGS],
      password: ['a\ud800', ...NOT_STRINGS],
      db: NOT_NUMBERS,
      tls: ['yes', 1],
      keyPrefix: ['a\ud800', ...NOT_STRINGS],
      connectTimeout: NOT_NUMBERS,
      commandTimeout: NOT_NUMBERS,
      poolSize: NOT_NUMBERS,
      timestamps: NOT_BOOLEANS,
      durability: DURABILITY,
    },
  ],
  [
    MemoryStorage,
    {},
    { maxBytes: [0, ...NOT_NUMBERS], eviction: ['fifo', 'LRU', ...NOT_STRINGS], durability: DURABILITY },
  ],
  [
    StorageManager,
    {},
    {
      defaultEngine: ['', ...NOT_STRINGS],
      file: ['x', 5, null, []],
      sqlite: ['x', 5, null],
      leveldb: ['x', null],
      redis: ['redis://x', null],
      memory: [true, null],
      engines: [[], null, 'x', { mine: {} }, { mine: null }],
      durability: DURABILITY,
      maxValueBytes: [0, ...NOT_NUMBERS],
      retry: [5, null, []],
    },
  ],
];

for (const [Class, needed, options] of WRONG) {
  test(`${Class.name}: each option of a wrong type is a TypeError that names it`, (t) => {
    for (const [option, values] of Object.entries(options)) {
      for (const value of values) {
        const error = t.throws(
          () => new Class({ ...needed, [option]: value }),
          { instanceOf: TypeError, ...TYPE_ERROR },
          `${option}: ${String(value)}`,
        );
        t.true(error.message.includes(option) || option === 'engines', error.message);
      }
      t.notThrows(() => new Class({ ...needed, [option]: needed[option] }), 'undefined counts as absent');
    }
  });

  test(`${Class.name}: an unknown option names the nearest one`, (t) => {
    for (const option of Object.keys(options)) {
      const slip = `${option}s`;
      const error = t.throws(() => new Class({ ...needed, [slip]: 1 }), TYPE_ERROR, slip);
      t.regex(error.message, new RegExp(`^Unknown option ${slip} of ${Class.name}; did you mean ${option}\\?$`));
    }
    const error = t.throws(() => new Class({ ...needed, entirelyDifferent: 1 }), {
      ...TYPE_ERROR,
      message: /^Unknown option entirelyDifferent of/,
    });
    t.regex(error.message, new RegExp(`known are .*${Object.keys(options)[0]}`));
    for (const hostile of ['constructor', 'toString', '__proto__x'])
      t.throws(() => new Class({ ...needed, [hostile]: 1 }), TYPE_ERROR);
    t.throws(
      () => new Class(Object.defineProperty({ ...needed }, '__proto__', { value: 1, enumerable: true })),
      TYPE_ERROR,
    );
    for (const no of [null, 5, 'x', [], () => {}]) t.throws(() => new Class(no), TYPE_ERROR);
  });
}

onEach('an unknown option of a call names the nearest one, and nothing is written', async (t, engine, { name }) => {
  const native = name !== 'javascript';
  for (const [call, message] of [
    [() => engine.set('a', 1, { tll: 5 }), /^Unknown option tll of set; did you mean ttl\?$/],
    [() => engine.set('a', 1, { expireAt: 5 }), /did you mean expiresAt\?/],
    [() => engine.set('a', 1, { ifabsent: true }), /did you mean ifAbsent\?/],
    [() => engine.setMany([['a', 1]], { ifVersion: 'x' }), /Unknown option ifVersion of setMany/],
    [() => engine.batch([{ type: 'set', key: 'a', value: 1, tll: 5 }]), /did you mean ttl\?/],
    [() => engine.compareAndSet('a', null, 1, { metdata: 1 }), /did you mean metadata\?/],
    [() => engine.increment('a', 1, { metdata: 1 }), /did you mean metadata\?/],
    [() => engine.keys({ perfix: 'a' }), /did you mean prefix\?/],
    [() => engine.count({ limits: 1 }), /did you mean limit\?/],
    [() => engine.entries({ revers: true }).next(), /did you mean reverse\?/],
    [() => engine.verify({ repiar: true }), /did you mean repair\?/],
  ]) {
    await t.throwsAsync(call(), { ...TYPE_ERROR, message }, String(call));
  }
  if (native) t.deepEqual(await engine.keys(), []);
});

onEach('an option of a call of a wrong type is refused', async (t, engine) => {
  for (const ttl of ['5', 0, -1, NaN, Infinity, null, 1n])
    await t.throwsAsync(engine.set('a', 1, { ttl }), TYPE_ERROR, String(ttl));
  for (const expiresAt of ['5', NaN, Infinity, null, new Date()])
    await t.throwsAsync(engine.set('a', 1, { expiresAt }), TYPE_ERROR);
  for (const ifVersion of [5, '', null, 'a\0']) await t.throwsAsync(engine.set('a', 1, { ifVersion }), TYPE_ERROR);
  for (const ifAbsent of ['yes', 1, null]) await t.throwsAsync(engine.set('a', 1, { ifAbsent }), TYPE_ERROR);
  await t.throwsAsync(engine.set('a', 1, { ttl: 5, expiresAt: 5 }), TYPE_ERROR);
  await t.throwsAsync(engine.set('a', 1, { ifVersion: 'x', ifAbsent: true }), TYPE_ERROR);
  for (const by of ['1', null, 1n, {}]) await t.throwsAsync(engine.increment('a', by), TYPE_ERROR);
  for (const limit of ['1', -1, 1.5, NaN, null]) await t.throwsAsync(engine.keys({ limit }), TYPE_ERROR);
  t.deepEqual(await engine.keys(), []);
});

// Whatever stands for an argument: nothing a method that returns a promise is given makes it throw.
const JUNK = [
  undefined,
  null,
  5,
  NaN,
  1n,
  true,
  '',
  'a',
  Symbol('s'),
  {},
  [],
  [undefined],
  [[]],
  [['a']],
  () => {},
  new Date(NaN),
  revoked(),
  {
    get ttl() {
      throw new Error('a getter');
    },
    get prefix() {
      throw new Error('a getter');
    },
    [Symbol.iterator]() {
      throw new Error('an iterator');
    },
  },
];

onEach('no argument makes a method throw: it rejects', async (t, engine) => {
  const methods = [
    'get',
    'set',
    'delete',
    'has',
    'keys',
    'count',
    'getMany',
    'setMany',
    'deleteMany',
    'batch',
    'compareAndSet',
    'increment',
    'getEntry',
    'verify',
  ];
  const lists = JUNK.flatMap((junk) => [[junk], ['k', junk], ['k', null, junk], ['k', null, 1, junk]]);
  for (const method of methods) {
    for (const list of lists) {
      let promise;
      t.notThrows(() => (promise = engine[method](...list)), `${method} threw`);
      t.true(promise instanceof Promise, method);
      await promise.catch((error) => t.true(error instanceof Error, method));
    }
  }
  for (const method of ['entries', 'values', 'keysIterator']) {
    for (const junk of JUNK) {
      let iterator;
      t.notThrows(() => (iterator = engine[method](junk)), method);
      await iterator.next().catch((error) => t.true(error instanceof Error));
      await iterator.return();
    }
  }
  await engine.clear();
  await engine.set('a', 1);
  t.is(await engine.get('a'), 1, 'and the engine goes on');
});

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

test('a hostile tableName is refused before anything is made', async (t) => {
  const folder = folderOf(t);
  const hostile = [
    'a"b',
    'x; DROP TABLE y',
    "x'--",
    'sqlite_master',
    'SQLITE_x',
    'a\0',
    '\ud800',
    '\u00e9',
    'a'.repeat(64),
    'a-b',
    'a.b',
    '1a',
    ' ',
    'a b',
    '[a]',
    '`a`',
    '*',
    // What a store named storage keeps beside its table.
    'storage_internal',
    'storage_META',
    'storage_damaged',
  ];
  for (const tableName of hostile) {
    const open = async () => new SQLiteStorage({ path: `${folder}/a.db`, tableName }).connect();
    await t.throwsAsync(open(), { ...TYPE_ERROR, message: /tableName/ }, JSON.stringify(tableName));
  }
  t.deepEqual(readdirSync(folder), []);
});

test('a tableName that is a word of SQL is a name like any other', async (t) => {
  const path = `${folderOf(t)}/a.db`;
  for (const tableName of ['select', 'Order', 'table', '_', 'rowid', 'a'.repeat(63)]) {
    const engine = new SQLiteStorage({ path, tableName });
    await engine.setMany([
      ['k', tableName],
      ['other', 1],
    ]);
    t.is(await engine.get('k'), tableName);
    await engine.disconnect();
  }
  const again = new SQLiteStorage({ path, tableName: 'select' });
  t.is(await again.get('k'), 'select');
  await again.disconnect();
});
