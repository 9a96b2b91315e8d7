// Calls in flight keep a process alive. Nothing else does.
import { join } from 'node:path';
import test from 'ava';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const WAIT_FOR_CALLS = new URL('programs/wait-for-calls.mjs', import.meta.url);
const STAY_OPEN = new URL('programs/stay-open.mjs', import.meta.url);

/** The arguments of a program: an engine and an empty store. */
async function argsOf(t, name) {
  const options = name === 'memory' ? {} : await ENGINES[name].config(t);
  return { name, options: 'durability' in options ? { ...options, durability: 'full' } : options };
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
  test(`${name}: calls in flight keep the process alive until they are answered`, async (t) => {
    t.deepEqual(await program(WAIT_FOR_CALLS, await argsOf(t, name)), [1, ['a', 1], true]);
  });

  test(`${name}: nothing idle keeps the process alive`, async (t) => {
    t.deepEqual(await program(STAY_OPEN, await argsOf(t, name)), ['connected']);
  });
}

const normal = (t) => ({ name: 'sqlite', options: { path: join(folderOf(t), 'a.db'), durability: 'normal' } });

test('sqlite, normal: calls in flight keep the process alive until they are answered', async (t) => {
  t.deepEqual(await program(WAIT_FOR_CALLS, normal(t)), [1, ['a', 1], true]);
});

test('sqlite, normal: nothing idle keeps the process alive', async (t) => {
  t.deepEqual(await program(STAY_OPEN, normal(t)), ['connected']);
});
