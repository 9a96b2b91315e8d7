// Wrong options of the constructors of engines and of the manager.
import test from 'ava';
import {
  FileStorage,
  LevelDBStorage,
  MemoryStorage,
  RedisStorage,
  SQLiteStorage,
  StorageManager,
} from '../helpers/entry.mjs';

const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

const NOT_STRINGS = [5, true, null, {}, [], Symbol('s'), () => 'x', 1n];
const NOT_NUMBERS = ['5', true, null, {}, [], NaN, Infinity, -1, 1.5, 2 ** 53, 5n];
const NOT_BOOLEANS = ['true', 1, 0, null, {}, []];
const DURABILITY = ['FULL', '', true, null, 1];

/** Each class with the options it needs, and for each of its options the values that it may not have. */
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
    }
  });

  test(`${Class.name}: an option that is undefined counts as absent`, (t) => {
    for (const option of Object.keys(options))
      t.notThrows(() => new Class({ ...needed, [option]: needed[option] }), 'undefined counts as absent');
  });

  test(`${Class.name}: an unknown option names the nearest one`, (t) => {
    for (const option of Object.keys(options)) {
      const slip = `${option}s`;
      const error = t.throws(() => new Class({ ...needed, [slip]: 1 }), TYPE_ERROR, slip);
      t.regex(error.message, new RegExp(`^Unknown option ${slip} of ${Class.name}; did you mean ${option}\\?$`));
    }
  });

  test(`${Class.name}: an unknown option that resembles none lists those that are known`, (t) => {
    const error = t.throws(() => new Class({ ...needed, entirelyDifferent: 1 }), {
      ...TYPE_ERROR,
      message: /^Unknown option entirelyDifferent of/,
    });
    t.regex(error.message, new RegExp(`known are .*${Object.keys(options)[0]}`));
  });

  test(`${Class.name}: names that every object inherits are unknown options`, (t) => {
    for (const hostile of ['constructor', 'toString', '__proto__x'])
      t.throws(() => new Class({ ...needed, [hostile]: 1 }), TYPE_ERROR);
    t.throws(
      () => new Class(Object.defineProperty({ ...needed }, '__proto__', { value: 1, enumerable: true })),
      TYPE_ERROR,
    );
  });

  test(`${Class.name}: options that are no object are refused`, (t) => {
    for (const no of [null, 5, 'x', [], () => {}]) t.throws(() => new Class(no), TYPE_ERROR);
  });
}

test('the message of a missing, unknown or mistyped option says what was expected', (t) => {
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
