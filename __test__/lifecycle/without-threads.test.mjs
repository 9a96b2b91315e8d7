// What calls do when the system has no thread left. The library that makes it so is Linux's.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const PROGRAM = new URL('programs/without-threads.mjs', import.meta.url);
const SOURCE = fileURLToPath(new URL('../fixtures/no-threads.c', import.meta.url));

if (process.platform === 'linux') {
  for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
    for (const durability of name === 'memory' || name === 'redis' ? [undefined] : ['full', 'normal', 'none']) {
      test(`${[name, durability].filter(Boolean).join(' at ')}: without a thread calls reject, and nothing hangs`, async (t) => {
        const folder = folderOf(t);
        const library = join(folder, 'no-threads.so');
        await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl']);
        const options = { ...(await ENGINES[name].config(t)), ...(durability && { durability }) };
        const env = { ...process.env, LD_PRELOAD: library, NO_THREADS: join(folder, 'flag') };
        const [said] = await program(PROGRAM, { name, options, target: join(folder, 'export.jsonl') }, { env });
        // Opening a store, or an export, needs a thread. What is open may answer by itself.
        const { disconnect, ...others } = said.closed;
        t.is(disconnect, 'ok', 'there is nothing to close');
        const has = ([call]) => name !== 'redis' || call !== 'snapshot';
        for (const [call, code] of Object.entries(others).filter(has)) t.is(code, 'IO', `${call} before it is open`);
        for (const [call, code] of Object.entries(said.opened).filter(has)) t.true(['ok', 'IO'].includes(code), call);
        t.is(said.after, 1);
      });
    }
  }
}
