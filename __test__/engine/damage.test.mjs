import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import test from 'ava';
import { FileStorage, LevelDBStorage, SQLiteStorage } from '../helpers/entry.mjs';
import { collect, folderOf } from '../helpers/engines.mjs';
import { ending, program } from '../helpers/program.mjs';

const CORRUPTED = { code: 'CORRUPTED', name: 'StorageError' };
const TEXT = 'x'.repeat(200);

const FILL_STORE = new URL('programs/fill-store.mjs', import.meta.url);

/** The path of a closed store of 500 records, which another process made. */
async function filled(t, name, how = {}) {
  const path = join(folderOf(t), name === 'sqlite' ? 'store.db' : 'store');
  const options = { [name === 'file' ? 'basePath' : 'path']: path, durability: 'normal' };
  await program(FILL_STORE, { name, options, text: TEXT, ...how });
  return path;
}

/** As `filled`, by a process that was killed before it could put its log away. */
async function killed(t, name) {
  const path = join(folderOf(t), 'store.db');
  const options = { path, durability: 'normal' };
  const { signal } = await ending(FILL_STORE, { name, options, text: TEXT, killed: true });
  t.is(signal, 'SIGKILL');
  return path;
}

const make = {
  file: (path) => new FileStorage({ basePath: path }),
  sqlite: (path) => new SQLiteStorage({ path }),
  leveldb: (path) => new LevelDBStorage({ path }),
};

/** Changes one byte in the middle, or at `at`. */
function flip(file, at = Math.floor(statSync(file).size / 2)) {
  const bytes = readFileSync(file);
  bytes[at] ^= 0x55;
  writeFileSync(file, bytes);
}

const cutTo = (share) => (file) => truncateSync(file, Math.floor(statSync(file).size * share));
const zero = (file) => writeFileSync(file, Buffer.alloc(statSync(file).size));
const replace = (file) => writeFileSync(file, 'this is no file of ours, but one with some text in it\n'.repeat(100));

/** The bytes of every file below a path, but for locks and RocksDB's own log of events. */
function bytesOf(path) {
  if (!statSync(path).isDirectory()) return new Map([[path, readFileSync(path, 'latin1')]]);
  const files = readdirSync(path, { recursive: true }).map((name) => join(path, String(name)));
  const kept = files.filter(
    (file) => statSync(file).isFile() && !/^(LOG.*|LOCK|lock|\.holdfast\.lock|.*-shm)$/.test(basename(file)),
  );
  return new Map(kept.sort().map((file) => [file, readFileSync(file, 'latin1')]));
}

/** Opens the store and reads everything: it has to say CORRUPTED and to leave every byte as it was. */
async function assertCorrupted(t, name, path, what) {
  const before = bytesOf(path);
  for (let attempt = 0; attempt < 2; attempt++) {
    const engine = make[name](path);
    const error = await t.throwsAsync(collect(engine.entries()), CORRUPTED, what);
    t.is(error?.engine, name, what);
    await engine.disconnect();
  }
  const after = bytesOf(path);
  t.deepEqual([...after.keys()], [...before.keys()], `${what}: files came or went`);
  for (const [file, bytes] of before) t.true(after.get(file) === bytes, `${what}: ${basename(file)} was changed`);
}

const largest = (folder, pattern) => {
  const files = readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
};

for (const [what, damage] of Object.entries({
  'cut in half': cutTo(0.5),
  zeroed: zero,
  replaced: replace,
  'cut in its first page': cutTo(0.01),
})) {
  test(`sqlite: a database ${what} is CORRUPTED and left as it is`, async (t) => {
    const path = await filled(t, 'sqlite');
    damage(path);
    await assertCorrupted(t, 'sqlite', path, what);
  });
}

function damagePage(path) {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 4096 * 20, 4096 * 21);
  writeFileSync(path, bytes);
}

test('sqlite: a damaged page is CORRUPTED where it is read', async (t) => {
  const path = await filled(t, 'sqlite');
  damagePage(path);
  await assertCorrupted(t, 'sqlite', path, 'a page');
});

test('sqlite: verify finds a damaged page', async (t) => {
  const path = await filled(t, 'sqlite');
  damagePage(path);
  const engine = make.sqlite(path);
  const report = await engine.verify().catch((error) => ({ ok: false, errors: [error] }));
  t.false(report.ok);
  t.is(report.errors[0].code, 'CORRUPTED');
  await engine.disconnect();
});

test('leveldb: damage to its own files is CORRUPTED and left as it is', async (t) => {
  const whole = await filled(t, 'leveldb', { compacted: true });
  const damages = {
    'CURRENT emptied': (path) => truncateSync(join(path, 'CURRENT'), 0),
    'CURRENT replaced': (path) => writeFileSync(join(path, 'CURRENT'), 'hello'),
    'CURRENT gone': (path) => rmSync(join(path, 'CURRENT')),
    'manifest emptied': (path) => truncateSync(largest(path, /^MANIFEST/), 0),
    'manifest damaged': (path) => flip(largest(path, /^MANIFEST/), 20),
    'table cut': (path) => cutTo(0.5)(largest(path, /\.sst$/)),
    'table gone': (path) => rmSync(largest(path, /\.sst$/)),
  };
  for (const [what, damage] of Object.entries(damages)) {
    const path = join(folderOf(t), 'store');
    cpSync(whole, path, { recursive: true });
    damage(path);
    await assertCorrupted(t, 'leveldb', path, what);
  }
});

// Opening writes a new manifest: nothing tells yet that a block is damaged.
test('leveldb: a damaged block is CORRUPTED where it is read, and its table left as it is', async (t) => {
  const path = await filled(t, 'leveldb', { compacted: true });
  const table = largest(path, /\.sst$/);
  flip(table, 2_000);
  const before = readFileSync(table);
  const engine = make.leveldb(path);
  await t.throwsAsync(collect(engine.entries()), CORRUPTED);
  await engine.disconnect();
  t.deepEqual(readFileSync(table), before);
});

test('leveldb: verify finds a damaged block', async (t) => {
  const path = await filled(t, 'leveldb', { compacted: true });
  flip(largest(path, /\.sst$/), 2_000);
  const engine = make.leveldb(path);
  t.false((await engine.verify()).ok);
  await engine.disconnect();
});

test('leveldb: a journal damaged in its middle is CORRUPTED and left as it is', async (t) => {
  const path = await killed(t, 'leveldb');
  flip(largest(path, /\.log$/));
  await assertCorrupted(t, 'leveldb', path, 'journal');
});

for (const name of ['leveldb', 'sqlite']) {
  test(`${name}: of a journal cut off at its end all whole records are there, and writing goes on`, async (t) => {
    const path = await killed(t, name);
    const journal = name === 'leveldb' ? largest(path, /\.log$/) : `${path}-wal`;
    truncateSync(journal, statSync(journal).size - 5);
    const engine = make[name](path);
    t.is(await engine.count(), 499);
    t.is(await engine.get('k498'), `${TEXT}498`);
    t.true((await engine.verify()).ok);
    await engine.set('k499', 1);
    await engine.disconnect();
    const again = make[name](path);
    t.is(await again.count(), 500);
    await again.disconnect();
  });
}

test('sqlite: of a journal damaged in its middle the records before are there, whole and in order', async (t) => {
  const path = await killed(t, 'sqlite');
  flip(`${path}-wal`);
  const engine = make.sqlite(path);
  const keys = await engine.keys();
  // SQLite takes the damage for the end of the WAL, as after power loss.
  t.true(keys.length > 0 && keys.length < 500);
  for (const [index, key] of keys.entries()) t.is(await engine.get(key), `${TEXT}${index}`, key);
  t.true((await engine.verify()).ok);
  await engine.disconnect();
});

/** Contents of a key's file that are no value. */
const NO_VALUES = {
  empty: Buffer.alloc(0),
  'cut off': Buffer.from('{"a": [1, 2'),
  'no JSON': Buffer.from('hello'),
  'two values': Buffer.from('1 2'),
  'no UTF-8': Buffer.from([0x22, 0xff, 0xfe, 0x22]),
  zeros: Buffer.alloc(50),
  'nested without end': Buffer.from('['.repeat(100_000)),
};

/** Runs `look` on a file store for each content of NO_VALUES in the file of the key k007. */
async function withNoValues(t, look) {
  const path = await filled(t, 'file');
  const file = join(path, 'k007.json');
  for (const [what, bytes] of Object.entries(NO_VALUES)) {
    writeFileSync(file, bytes);
    const engine = make.file(path);
    await look(engine, what);
    await engine.disconnect();
    t.deepEqual(readFileSync(file), bytes, what);
  }
}

test('file: a file that is no value is CORRUPTED by key and path, and stays as it is', async (t) => {
  await withNoValues(t, async (engine, what) => {
    const error = await t.throwsAsync(engine.get('k007'), CORRUPTED, what);
    t.like(error, { engine: 'file', key: 'k007', operation: 'get' });
    t.true(error.message.includes('k007.json'), error.message);
  });
});

test('file: every read and every increment of a file that is no value is CORRUPTED', async (t) => {
  await withNoValues(t, async (engine) => {
    t.throws(() => engine.getSync('k007'), CORRUPTED);
    await t.throwsAsync(engine.getMany(['k006', 'k007']), CORRUPTED);
    await t.throwsAsync(collect(engine.entries()), CORRUPTED);
    await t.throwsAsync(engine.increment('k007'), CORRUPTED);
  });
});

test('file: beside a file that is no value all keys are there', async (t) => {
  await withNoValues(t, async (engine) => {
    t.is(await engine.get('k006'), `${TEXT}6`, 'the others are there');
    t.is((await engine.keys()).length, 500);
  });
});

test('file: the entries before a file that is no value are given, and those behind it on demand', async (t) => {
  await withNoValues(t, async (engine) => {
    const keys = [];
    const read = async (range) => {
      for await (const [key] of engine.entries(range)) keys.push(key);
    };
    const error = await t.throwsAsync(read(), CORRUPTED);
    t.is(error.key, 'k007');
    t.deepEqual(keys, (await engine.keys({ lt: 'k007' })).slice());
    await read({ gt: error.key });
    t.is(keys.length, 499);
  });
});

test('file: a delete removes a file that is no value', async (t) => {
  const path = await filled(t, 'file');
  for (const [what, bytes] of Object.entries(NO_VALUES)) {
    const file = join(path, 'k007.json');
    writeFileSync(file, bytes);
    const engine = make.file(path);
    t.true(await engine.delete('k007'), what);
    t.false(existsSync(file), what);
    t.is(await engine.get('k007'), null);
    writeFileSync(file, bytes);
    t.is(await engine.deleteMany(['k006', 'k007']), what === 'empty' ? 2 : 1);
    t.is(await engine.count(), 498);
    await engine.disconnect();
  }
});

test('leveldb: a key in a damaged block can be deleted and set, and the entries before it are given', async (t) => {
  const path = await filled(t, 'leveldb', { compacted: true });
  flip(largest(path, /\.sst$/));
  const engine = make.leveldb(path);
  const keys = [];
  const error = await t.throwsAsync(async () => {
    for await (const [key] of engine.entries()) keys.push(key);
  }, CORRUPTED);
  t.is(error.engine, 'leveldb');
  t.true(keys.length > 0);
  const unread = [];
  for (let n = 0; n < 500; n++) {
    const key = `k${String(n).padStart(3, '0')}`;
    if ((await engine.get(key).catch(({ code }) => code)) === 'CORRUPTED') unread.push(key);
  }
  t.true(unread.length > 2);
  t.true(await engine.delete(unread[0]));
  t.is(await engine.get(unread[0]), null);
  await engine.set(unread[1], 'new');
  t.is(await engine.get(unread[1]), 'new');
  await engine.disconnect();
});

test('file: verify finds a file that is no value', async (t) => {
  await withNoValues(t, async (engine) => {
    const report = await engine.verify();
    t.deepEqual(
      report.errors.map(({ key, code }) => [key, code]),
      [['k007', 'CORRUPTED']],
    );
  });
});

test('file: a set replaces a file that is no value', async (t) => {
  const path = await filled(t, 'file');
  writeFileSync(join(path, 'k007.json'), NO_VALUES['no JSON']);
  const engine = make.file(path);
  await engine.set('k007', 'new');
  t.is(await engine.get('k007'), 'new');
  t.true((await engine.verify()).ok);
  await engine.disconnect();
});

for (const [what, damage] of Object.entries({
  'cut in half': cutTo(0.5),
  zeroed: zero,
  replaced: replace,
})) {
  test(`file: a journal database ${what} never makes the store forget or overwrite`, async (t) => {
    const path = await filled(t, 'file', { meta: true });
    damage(join(path, '.holdfast', 'store.db'));
    const before = bytesOf(path);
    const engine = make.file(path);
    await t.throwsAsync(engine.get('meta'), CORRUPTED);
    await t.throwsAsync(engine.set('k001', 1), CORRUPTED);
    await engine.disconnect();
    t.deepEqual(bytesOf(path), before);
  });
}

// SQLite ignores bytes behind its last page, and loses none before them.
test('file: a journal database with a longer end is read', async (t) => {
  const path = await filled(t, 'file', { meta: true });
  appendFileSync(join(path, '.holdfast', 'store.db'), 'x');
  const engine = make.file(path);
  t.is((await engine.getEntry('meta')).metadata.a, 1);
  await engine.disconnect();
});
