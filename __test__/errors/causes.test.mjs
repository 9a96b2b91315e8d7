// The error below an error is kept as what it was: an object of the caller's, or an error of the system with its code.
import { constants } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { customManagerOf } from '../helpers/custom-engines.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { FileStorage, LevelDBStorage, SQLiteStorage } from '../helpers/entry.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

const DISK_ENGINES = {
  file: (path) => new FileStorage({ basePath: path }),
  sqlite: (path) => new SQLiteStorage({ path: join(path, 'a.db') }),
  leveldb: (path) => new LevelDBStorage({ path }),
};

for (const [name, open] of Object.entries(DISK_ENGINES)) {
  test(`${name}: an error of the system is the cause, with its code and number`, async (t) => {
    const engine = open(join(folderOf(t), 'n'.repeat(300)));
    const error = await t.throwsAsync(engine.set('a', 1), { code: 'IO' });
    t.is(error.cause.code, 'ENAMETOOLONG');
    t.is(error.cause.errno, -constants.errno.ENAMETOOLONG);
    t.regex(error.cause.message, /too long/);
  });
}

for (const where of ['outside of a transaction', 'inside a transaction']) {
  test(`the object that a custom engine threw is the cause ${where}`, async (t) => {
    const thrown = new Error('the dog ate it');
    const target = new BareEngine();
    const { storage, engine } = customManagerOf(t, target);
    await engine.set('a', 1);
    target.get = async () => {
      throw thrown;
    };
    const read = where === 'inside a transaction' ? storage.transaction((tx) => tx.get('a')) : engine.get('a');
    const error = await t.throwsAsync(read, { code: 'IO' });
    let cause = error;
    while (cause.code === 'IO' && cause.cause !== undefined) cause = cause.cause;
    t.is(cause, thrown);
  });
}
