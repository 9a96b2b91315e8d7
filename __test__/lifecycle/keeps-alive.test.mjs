import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';

const entry = new URL('../helpers/entry.mjs', import.meta.url).href;

/** Runs a program against the package in a process of its own, which has to end by itself. */
async function program(source, ...args) {
  const code = `import * as holdfast from ${JSON.stringify(entry)};\n${source}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code, ...args], {
    timeout: 20_000,
  });
  return stdout;
}

const OPEN = `const storage = new holdfast.StorageManager({ defaultEngine: 'sqlite', sqlite: { path: process.argv[1], durability: 'normal' } });
const engine = storage.getEngine();\n`;

test('an open engine that is idle does not keep the process alive', async (t) => {
  const path = join(folderOf(t), 'a.db');
  t.is(
    await program(
      `${OPEN}await engine.set('a', 1); await engine.snapshot(); const it = engine.entries(); await it.next(); console.log('done');`,
      path,
    ),
    'done\n',
  );
});

test('a call in flight keeps the process alive', async (t) => {
  const path = join(folderOf(t), 'a.db');
  t.is(
    await program(`${OPEN}engine.set('a', 1).then(() => engine.get('a')).then((value) => console.log(value));`, path),
    '1\n',
  );
});

test('process.exit with calls in flight loses nothing that was acknowledged', async (t) => {
  const path = join(folderOf(t), 'a.db');
  await program(
    `${OPEN}await engine.set('acknowledged', 1); for (let i = 0; i < 500; i++) void engine.set('k' + i, i); process.exit(0);`,
    path,
  );
  t.is(
    await program(
      `${OPEN}console.log(await engine.get('acknowledged'), (await engine.verify()).ok); await storage.close();`,
      path,
    ),
    '1 true\n',
  );
});

test('a rejection nobody handles is reported as any other', async (t) => {
  const error = await t.throwsAsync(program(`void new holdfast.MemoryStorage().get('');`));
  t.regex(error.stderr, /INVALID_KEY/);
});
