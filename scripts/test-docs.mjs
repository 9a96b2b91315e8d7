// Runs what the documentation shows: every example folder, and every JavaScript block of README.md and docs/.
//   ```js             a complete program, run as an ES module with `holdfast` importable
//   ```js continued   goes on with the program before it on the page
//   ```js fragment    only its syntax is checked
// ts blocks the same, their types erased. Programs run in a folder of their own; REDIS_URL names a server when one is
// needed.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { spawnSync } from 'node:child_process';
import { transform } from 'esbuild';
import { openRedis } from '../examples/quickstart/redis.mjs';
import { installCommand } from './lib/advice.mjs';
import { main, note, Problem, step } from './lib/console.mjs';
import { root } from './lib/paths.mjs';

const timeLimit = 60_000;

function pages() {
  const docs = join(root, 'docs');
  const below = existsSync(docs)
    ? readdirSync(docs, { recursive: true, encoding: 'utf8' }).map((name) => join(docs, name))
    : [];
  return [join(root, 'README.md'), join(root, 'CONTRIBUTING.md'), ...below].filter(
    (file) => file.endsWith('.md') && existsSync(file),
  );
}

/** The programs of one page: { name, source, run }. */
function programs(page) {
  const found = [];
  const text = readFileSync(page, 'utf8');
  for (const match of text.matchAll(/^( *)```(js|ts|javascript|typescript|mjs)\b([^\n]*)\n([\s\S]*?)^\1```/gm)) {
    const [, indent, , attributes, body] = match;
    const line = text.slice(0, match.index).split('\n').length;
    const source = indent ? body.replaceAll(new RegExp(`^${indent}`, 'gm'), '') : body;
    const previous = found.findLast((program) => program.run);
    if (attributes.includes('continued') && previous) previous.source += source;
    else found.push({ name: `${relative(root, page)}:${line}`, source, run: !attributes.includes('fragment') });
  }
  return found;
}

function execute(file, cwd, env) {
  const result = spawnSync(process.execPath, [file], { cwd, env, encoding: 'utf8', timeout: timeLimit });
  if (result.status === 0) return null;
  return `${result.error?.message ?? ''}${result.signal ?? ''}\n${result.stdout}${result.stderr}`;
}

await main(async () => {
  step('Running the examples and the programs in the documentation');
  const work = mkdtempSync(join(tmpdir(), 'holdfast-docs-'));
  mkdirSync(join(work, 'node_modules'));
  symlinkSync(root, join(work, 'node_modules/holdfast'), 'junction');
  const redis = await openRedis(join(work, 'redis'));
  if (!redis) throw new Problem('the documentation needs a Redis server', installCommand('redis'));
  const env = { ...process.env, REDIS_URL: redis.url };
  let passed = 0;
  const failures = [];
  const settle = (name, failure) => {
    if (failure === null) passed += 1;
    else failures.push(`${name}${failure}`);
  };
  try {
    for (const example of readdirSync(join(root, 'examples'), { withFileTypes: true })) {
      if (!example.isDirectory()) continue;
      const args = example.name === 'quickstart' ? ['--flights', '2000'] : [];
      const file = join(root, 'examples', example.name, 'index.mjs');
      const result = spawnSync(process.execPath, [file, ...args], {
        cwd: work,
        env,
        encoding: 'utf8',
        timeout: timeLimit,
      });
      settle(`examples/${example.name}`, result.status === 0 ? null : `\n${result.stdout}${result.stderr}`);
    }
    for (const [index, program] of pages().flatMap(programs).entries()) {
      const folder = join(work, `program-${index}`);
      mkdirSync(folder);
      try {
        const { code } = await transform(program.source, { loader: 'ts', format: 'esm', target: 'node20' });
        const file = join(folder, 'program.mjs');
        writeFileSync(file, code);
        settle(program.name, program.run ? execute(file, folder, env) : null);
      } catch (error) {
        settle(program.name, `\n${error.message}`);
      }
    }
  } finally {
    await redis.stop();
    rmSync(work, { recursive: true, force: true });
  }
  failures.forEach((failure) => console.error(`\nfailed: ${failure}`));
  note(`${pages().length} pages`);
  console.log(`docs: ${passed} passed, ${failures.length} failed`);
  if (failures.length > 0) throw new Problem('the documentation shows programs that do not run');
});
