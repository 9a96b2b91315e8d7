// npm run prove:bundlers: proves that docs/bundlers.md is right. Follows each of its recipes in an application with the
// packages that would be published, and runs the result, in place and away from node_modules. It has to store a record,
// or to say that it was bundled and what to do. Runs on linux-x64-gnu.
//   --without-next   leaves Next out, whose builds take half a minute each
//   --only TEXT      tries the recipes whose heading has this text
import { copyFileSync, cpSync, existsSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { cases, nextCases } from './lib/bundler-cases.mjs';
import { main, note, Problem, step } from './lib/console.mjs';
import { installedApp } from './lib/installed-app.mjs';
import { askServer } from './lib/next-server.mjs';
import { installTools } from './lib/node-modules.mjs';
import { root } from './lib/paths.mjs';
import { followRecipe, readRecipes } from './lib/recipes.mjs';
import { run } from './lib/run.mjs';
import { packLocal } from './pack.mjs';

/** What the message of a bundle without an addon has to name. */
const remedies = ['bundled', 'serverExternalPackages', "external: ['holdfast']", 'HOLDFAST_NATIVE_PATH'];

function expectStored(outcome, where) {
  if (outcome !== 'stored') throw new Problem(`${where}: ${outcome}`);
}

function expectMessage(outcome, where) {
  const missing = remedies.filter((remedy) => !outcome.includes(remedy));
  if (missing.length > 0) throw new Problem(`${where} the message does not name ${missing.join(', ')}: ${outcome}`);
}

/** What a program prints. */
function outcomeOf([command, ...args], cwd, env) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : `${command} fails: ${error?.message ?? stdout + stderr.slice(-2000)}`;
}

/** Calls `use` with a copy of `folder` in a place of its own, while the application is not where it was. */
async function away(app, folder, use) {
  const work = mkdtempSync(join(tmpdir(), 'holdfast-away-'));
  const hidden = `${app}-hidden`;
  try {
    const copy = join(work, 'copy');
    cpSync(join(app, folder), copy, { recursive: true, verbatimSymlinks: true });
    renameSync(app, hidden);
    await use(copy);
  } finally {
    if (existsSync(hidden)) renameSync(hidden, app);
    rmSync(work, { recursive: true, force: true });
  }
}

/** An application with the tools of a folder of scripts/ in its node_modules, beside what `plain` has. */
async function makeApp(work, plain, name) {
  const app = join(work, name.replaceAll('/', '-'));
  cpSync(plain, app, { recursive: true });
  // Links where the file system can, as there are many files.
  const tools = await installTools(name);
  await run('sh', [
    '-c',
    'cp -aln "$1/." "$2" 2>/dev/null || cp -an "$1/." "$2"',
    'sh',
    tools,
    join(app, 'node_modules'),
  ]);
  cpSync(join(root, 'scripts/bundlers/src'), join(app, 'src'), { recursive: true });
  return app;
}

/** Follows a recipe with one entry, and runs what comes of it. */
async function tryCase({ start, away: promise }, blocks, entry, { app, plain, env, addon }) {
  rmSync(join(app, 'out'), { recursive: true, force: true });
  await followRecipe(blocks, app, env, (command) => command.replaceAll('src/main.mjs', entry));
  const command = start.map((part) => part.replace('ENTRY', entry));
  expectStored(outcomeOf(command, join(app, 'out'), env), 'in place');
  await away(app, 'out', (copy) => {
    if (promise === 'with node_modules')
      cpSync(join(plain, 'node_modules'), join(copy, 'node_modules'), { recursive: true });
    if (promise === 'with the addon') {
      expectMessage(outcomeOf(command, copy, env), 'without an addon');
      copyFileSync(join(plain, 'node_modules', addon.package, addon.addon), join(copy, addon.addon));
    }
    expectStored(outcomeOf(command, copy, env), `away from node_modules, ${promise}`);
  });
}

/** Builds with Next. Asks the server of the standalone output away from node_modules, and the others in place. */
async function tryNext({ away: promise }, blocks, bundler, { app, env }) {
  for (const folder of ['.next', 'out']) rmSync(join(app, folder), { recursive: true, force: true });
  await followRecipe(blocks, app, env, (command) => command.replace(/^next build$/m, `next build ${bundler}`));
  await away(app, '.next/standalone', async (copy) => {
    const outcome = await askServer(['node', 'server.js'], copy, env);
    if (promise === 'by itself') expectStored(outcome, 'standalone');
    else expectMessage(outcome, 'standalone');
  });
  expectStored(await askServer(['next', 'start'], app, env), 'next start');
  expectStored(await askServer(['next', 'dev', bundler], app, env), 'next dev');
}

/** Tries the recipes with what packLocal() packed. Gives how many runs passed. */
export async function proveBundlers(packed, { next = true, only = '' } = {}) {
  const recipes = readRecipes();
  const known = { ...cases, ...nextCases };
  const unknown = [...recipes.keys()].filter((name) => !(name in known));
  const missing = Object.keys(known).filter((name) => !recipes.has(name));
  if (unknown.length + missing.length > 0)
    throw new Problem(`docs/bundlers.md has other recipes than are tried: ${[...unknown, ...missing].join(', ')}`);

  const work = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-bundlers-')));
  let passed = 0;
  const attempt = async (name, tried, body) => {
    step(`${name} (${tried})`);
    const started = performance.now();
    await body().catch((error) => {
      throw error instanceof Problem ? new Problem(`${name} (${tried}): ${error.message}`) : error;
    });
    note(`as docs/bundlers.md says, in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    passed += 1;
  };
  try {
    const plain = join(work, 'plain');
    await installedApp(plain, packed, work);
    const runtimes = await installTools('runtimes');
    const pathOf = (app) =>
      [`${runtimes}/node-24/bin`, `${runtimes}/bun/bin`, `${app}/node_modules/.bin`, process.env.PATH].join(delimiter);
    const environment = (app) => ({ ...process.env, PATH: pathOf(app), NEXT_TELEMETRY_DISABLED: '1' });
    const wanted = (table) => Object.entries(table).filter(([name]) => name.includes(only));

    const app = await makeApp(work, plain, 'bundlers');
    const place = { app, plain, env: environment(app), addon: packed.platform };
    for (const [name, recipe] of wanted(cases)) {
      for (const entry of ['src/main.mjs', ...(recipe.entries ?? [])])
        await attempt(name, entry, () => tryCase(recipe, recipes.get(name), entry, place));
    }
    if (!next) return passed;
    const nextApp = await makeApp(work, plain, 'bundlers/next');
    cpSync(join(root, 'scripts/bundlers/next/app'), join(nextApp, 'app'), { recursive: true });
    for (const [name, recipe] of wanted(nextCases)) {
      for (const bundler of recipe.bundlers)
        await attempt(name, bundler, () =>
          tryNext(recipe, recipes.get(name), bundler, { app: nextApp, env: environment(nextApp) }),
        );
    }
    return passed;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const { values } = parseArgs({ options: { 'without-next': { type: 'boolean' }, only: { type: 'string' } } });
    const work = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-pack-')));
    try {
      const packed = await packLocal(join(work, 'tarballs'));
      if (packed.platform.id !== 'linux-x64-gnu')
        throw new Problem(`this proof runs on linux-x64-gnu, not ${packed.platform.id}`);
      const passed = await proveBundlers(packed, { next: !values['without-next'], only: values.only });
      console.log(`\nbundlers: ${passed} passed, 0 failed`);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
}
