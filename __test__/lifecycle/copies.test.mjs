import { join } from 'node:path';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const TWO_COPIES = new URL('programs/two-copies.mjs', import.meta.url);

const OPTIONS = {
  file: (folder) => ({ basePath: join(folder, 'store') }),
  sqlite: (folder) => ({ path: join(folder, 'store.db') }),
  leveldb: (folder) => ({ path: join(folder, 'store') }),
};

for (const [name, optionsOf] of Object.entries(OPTIONS)) {
  test(`${name}: a second copy of the package in one process is refused and harms nothing`, async (t) => {
    const folder = folderOf(t);
    const said = await program(TWO_COPIES, { name, folder, options: optionsOf(folder) });
    const [[code, message], again, count, firstAgain, afterwards, odd, last, sound] = said;
    t.is(code, 'LOCKED');
    if (name === 'sqlite') t.regex(message, /another copy/);
    t.is(again, 'LOCKED');
    t.is(count, 20);
    t.is(firstAgain, 'LOCKED');
    t.is(afterwards, 21);
    t.deepEqual(odd, [], 'one of two that open it at the same moment gets it');
    t.is(last, 51);
    t.true(sound);
  });
}
