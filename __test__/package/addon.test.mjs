// Which addon is loaded, and what is said where none can be.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import test from 'ava';
import { copyPackage } from '../helpers/copies.mjs';
import { folderOf } from '../helpers/engines.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const addon = readdirSync(root).find((name) => name.endsWith('.node'));
const platform = /^holdfast\.(.*)\.node$/.exec(addon)[1];
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What a process says that stores a record with the package at `file`: the value, or the error. */
async function use(file, env = {}) {
  const code = `
    const { MemoryStorage } = require(${JSON.stringify(file)});
    const engine = new MemoryStorage();
    engine.set('a', 1).then(() => engine.get('a')).then(
      (value) => console.log(JSON.stringify({ value })),
      ({ code, message, cause }) => console.log(JSON.stringify({ code, message, cause: cause?.code })));`;
  const { HOLDFAST_NATIVE_PATH: _, ...inherited } = process.env;
  const options = { env: { ...inherited, ...env } };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], options);
  return JSON.parse(stdout);
}

/** The package, bundled into a folder of its own. */
async function bundled(t) {
  const outfile = join(folderOf(t), 'main.cjs');
  const entry = { contents: "export * from 'holdfast';", resolveDir: root };
  await build({ stdin: entry, bundle: true, platform: 'node', format: 'cjs', outfile, logLevel: 'silent' });
  return outfile;
}

const packaged = (folder) => join(folder, 'dist/index.cjs');

test('HOLDFAST_NATIVE_PATH names the addon', async (t) => {
  const folder = copyPackage(t);
  rmSync(join(folder, addon));
  t.deepEqual(await use(packaged(folder), { HOLDFAST_NATIVE_PATH: join(root, addon) }), { value: 1 });
});

for (const [name, code, told] of [
  ['of another version', "exports.version = () => '9.8.7';", 'has version 9\\.8\\.7'],
  ['that tells no version', 'exports.init = () => ({});', 'tells no version'],
]) {
  test(`an addon ${name} is refused, wherever it was found`, async (t) => {
    const folder = copyPackage(t);
    const message = new RegExp(`${told}, and holdfast has version ${version.replaceAll('.', '\\.')}.*install.*anew`);
    const fake = join(folder, 'other.cjs');
    writeFileSync(fake, code);
    const error = await use(packaged(folder), { HOLDFAST_NATIVE_PATH: fake });
    t.like(error, { code: 'NOT_SUPPORTED', cause: 'HOLDFAST_ADDON_MISSING' });
    t.regex(error.message, message);
    t.regex(error.message, /HOLDFAST_NATIVE_PATH, .*other\.cjs/);

    const installed = join(folder, 'node_modules/@holdfast', platform);
    mkdirSync(installed, { recursive: true });
    copyFileSync(fake, join(installed, 'index.js'));
    const again = await use(packaged(folder));
    t.is(again.code, 'NOT_SUPPORTED');
    t.regex(again.message, message);
    t.true(again.message.includes(`the package @holdfast/${platform}`));
  });
}

test('a package that is not installed is named, with the way to repair it', async (t) => {
  const folder = copyPackage(t);
  rmSync(join(folder, addon));
  const { code, message } = await use(packaged(folder));
  t.is(code, 'NOT_SUPPORTED');
  for (const part of [`@holdfast/${platform}`, 'npm install', 'HOLDFAST_NATIVE_PATH']) t.true(message.includes(part));
});

test('a bundle without an addon says that it was bundled, and what to write', async (t) => {
  const file = await bundled(t);
  const { code, message } = await use(file);
  t.is(code, 'NOT_SUPPORTED');
  const parts = [`bundled into ${file}`, "external: ['holdfast']", 'serverExternalPackages', 'HOLDFAST_NATIVE_PATH'];
  for (const part of [...parts, addon]) t.true(message.includes(part), part);
});

test('a bundle takes the addon that lies beside it', async (t) => {
  const file = await bundled(t);
  copyFileSync(join(root, addon), join(file, '..', addon));
  t.deepEqual(await use(file), { value: 1 });
});

test('a bundle takes the addon of the package in node_modules', async (t) => {
  const file = await bundled(t);
  const installed = join(file, '../node_modules/@holdfast', platform);
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, addon), join(installed, addon));
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ main: addon }));
  t.deepEqual(await use(file), { value: 1 });
});

test('an addon that cannot be loaded is named with the reason', async (t) => {
  const file = join(folderOf(t), 'broken.node');
  writeFileSync(file, 'no library');
  const { code, message } = await use(packaged(root), { HOLDFAST_NATIVE_PATH: file });
  t.is(code, 'NOT_SUPPORTED');
  t.regex(message, /\(HOLDFAST_NATIVE_PATH, .*broken\.node\) cannot be loaded: /);
});
