import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { FileStorage, LevelDBStorage, SQLiteStorage } from '../helpers/entry.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const WRITE_WITHOUT_RIGHTS = new URL('programs/write-without-rights.mjs', import.meta.url);

/** The engines that live at a path: how to make one there, and whether the path is of a file or a folder. */
const PLACES = {
  file: {
    make: (path, options) => new FileStorage({ basePath: path, ...options }),
    option: 'basePath',
    needs: 'folder',
  },
  sqlite: { make: (path, options) => new SQLiteStorage({ path, ...options }), option: 'path', needs: 'file' },
  leveldb: { make: (path, options) => new LevelDBStorage({ path, ...options }), option: 'path', needs: 'folder' },
};

async function refused(t, engine, code, message) {
  const error = await t.throwsAsync(engine.set('a', 1), { code, message });
  t.is(error.engine, engine.name);
  t.is(engine.status, 'idle');
  await t.throwsAsync(engine.connect(), { code });
  t.throws(() => engine.getSync('a'), { code });
}

for (const [name, { make, option, needs }] of Object.entries(PLACES)) {
  test(`${name}: a path that is the other kind of thing is refused and left as it is`, async (t) => {
    const folder = folderOf(t);
    const file = join(folder, 'file');
    writeFileSync(file, 'mine, and no store');
    const wrong =
      needs === 'folder'
        ? [file, join(file, 'below'), join(file, 'far', 'below')]
        : [folder, join(file, 'below.db'), join(file, 'far', 'below.db')];
    for (const path of wrong) await refused(t, make(path), 'INVALID_ARGUMENT', /is a file|is a folder/);
    t.is(readFileSync(file, 'utf8'), 'mine, and no store');
    t.deepEqual(readdirSync(folder), ['file']);
  });

  test(`${name}: a path inside an asar archive is refused, and the archive left as it is`, async (t) => {
    const folder = folderOf(t);
    const archive = join(folder, 'app.asar');
    writeFileSync(archive, 'an archive');
    for (const path of [join(archive, 'store'), join(archive, 'data', 'store'), archive]) {
      await refused(t, make(path), 'INVALID_ARGUMENT', /asar/);
      await refused(t, make(path, { readOnly: true }), 'INVALID_ARGUMENT', /asar/);
    }
    t.is(readFileSync(archive, 'utf8'), 'an archive');
    t.deepEqual(readdirSync(folder), ['app.asar']);
  });

  test(`${name}: a path inside a folder named like an asar archive is taken`, async (t) => {
    const folder = folderOf(t);
    mkdirSync(join(folder, 'folder.asar'));
    const engine = make(join(folder, 'folder.asar', 'store'));
    await engine.set('a', 1);
    t.is(await engine.get('a'), 1);
    await engine.disconnect();
  });

  test(`${name}: missing folders are made with their parents, for their owner alone`, async (t) => {
    const folder = folderOf(t);
    const engine = make(join(folder, 'some', 'new', 'store'));
    await engine.set('a', 1);
    await engine.disconnect();
    if (process.platform !== 'win32')
      for (const made of ['some', 'some/new']) t.is(statSync(join(folder, made)).mode & 0o777, 0o700, made);
  });

  test(`${name}: a store that is not there is not made by reading it`, async (t) => {
    const folder = folderOf(t);
    await refused(t, make(join(folder, 'none', 'store'), { readOnly: true }), 'IO', /none/);
    t.deepEqual(readdirSync(folder), []);
  });

  test(`${name}: a path that is too long, or through a link to nowhere or to itself, is refused`, async (t) => {
    const folder = folderOf(t);
    symlinkSync(join(folder, 'nowhere', 'at', 'all'), join(folder, 'dangling'));
    symlinkSync(join(folder, 'round'), join(folder, 'round'));
    for (const path of [
      join(folder, 'x'.repeat(300), 'store'),
      join(folder, ...Array(3_000).fill('xx')),
      join(folder, 'round', 'store'),
      join(folder, 'dangling', 'store'),
    ]) {
      const error = await t.throwsAsync(make(path).set('a', 1), undefined, path.slice(0, 80));
      t.true(['IO', 'INVALID_ARGUMENT'].includes(error.code), error.stack);
    }
    t.false(existsSync(join(folder, 'store')));
  });

  if (process.platform !== 'win32') {
    test(`${name}: a path that may not be written is READ_ONLY, and nothing is changed`, async (t) => {
      const folder = folderOf(t);
      const path = join(folder, 'locked', needs === 'file' ? 'store.db' : 'store');
      const before = make(path);
      await before.set('a', 1);
      await before.disconnect();
      const all = readdirSync(folder, { recursive: true, withFileTypes: true });
      for (const { parentPath, path: older, name: entry } of all)
        chmodSync(
          join(parentPath ?? older, entry),
          entry.includes('.') && !entry.startsWith('.holdfast') ? 0o444 : 0o555,
        );
      chmodSync(folder, 0o555);
      const said = await program(WRITE_WITHOUT_RIGHTS, { name, option, path });
      chmodSync(folder, 0o755);
      for (const { parentPath, path: older, name: entry } of all) chmodSync(join(parentPath ?? older, entry), 0o755);
      t.deepEqual(said, ['READ_ONLY', 'READ_ONLY']);
      const again = make(path);
      t.is(await again.get('a'), 1);
      t.is(await again.get('b'), null);
      await again.disconnect();
    });
  }
}
