// Proves the packages that would be published: packs them, installs the tarballs into an empty folder with neither
// Rust nor a compiler in reach, and runs __test__/smoke there under every supported runtime. Then tries the bundlers,
// all but Next (prove-bundlers.mjs). Runs on linux-x64-gnu, for which the registry has the runtimes.
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main, note, Problem, step } from './lib/console.mjs';
import { installedApp } from './lib/installed-app.mjs';
import { installTools } from './lib/node-modules.mjs';
import { root } from './lib/paths.mjs';
import { capture, run, which } from './lib/run.mjs';
import { addonLimit, tarballLimit } from './lib/stage.mjs';
import { packLocal } from './pack.mjs';
import { proveBundlers } from './prove-bundlers.mjs';

/** What `require` may load. A limit in bytes says the same on every machine; the time it takes is printed beside it. */
const requireLimit = { files: 2, bytes: 300_000 };
const toolchain = ['cargo', 'rustc', 'cc', 'gcc', 'g++', 'c++', 'clang', 'make', 'python3', 'node-gyp'];

const runtimes = [
  ...['20', '22', '24', '26'].map((version) => ({
    name: `node ${version}`,
    path: `node-${version}/bin/node`,
    args: [],
  })),
  { name: 'bun', path: 'bun/bin/bun', args: [] },
  { name: 'deno', path: 'deno/deno', args: ['run', '--allow-all', '--no-prompt', '--node-modules-dir=manual'] },
];
const programs = ['require.cjs', 'import.mjs', 'workers.mjs'];

/** An environment whose PATH holds node and a shell, and nothing that could build an addon. */
function bareEnvironment(work) {
  const bin = join(work, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  symlinkSync('/bin/sh', join(bin, 'sh'));
  const env = {
    PATH: bin,
    HOME: work,
    TMPDIR: work,
    npm_config_cache: join(work, 'npm-cache'),
    DENO_DIR: join(work, 'deno'),
    CI: 'true',
  };
  const found = toolchain.filter((program) => which(program, env));
  if (found.length > 0) throw new Problem(`the bare PATH still finds ${found.join(', ')}`);
  return env;
}

async function checkTypes(packed, work) {
  step('Checking the package with publint and attw');
  const bin = join(root, 'node_modules/.bin');
  const unpacked = join(work, 'unpacked');
  mkdirSync(unpacked);
  await run('tar', ['-xzf', packed.root.tarball, '-C', unpacked]);
  await run(join(bin, 'publint'), [join(unpacked, 'package'), '--strict', '--pack', 'false']);
  // node10 knows no "exports"; entries besides the root cannot resolve there, in any package.
  await run(join(bin, 'attw'), [packed.root.tarball, '--profile', 'node16', '--format', 'ascii']);
}

function checkRequire(app, env, node) {
  const program = `
    const begun = performance.now();
    require('holdfast');
    const time = performance.now() - begun;
    const sizes = Object.keys(require.cache).map((file) => require('node:fs').statSync(file).size);
    console.log(JSON.stringify({ time, files: sizes.length, bytes: sizes.reduce((a, b) => a + b, 0) }));`;
  const loads = Array.from({ length: 9 }, () => JSON.parse(capture(node, ['-e', program], { cwd: app, env })));
  const times = loads.map(({ time }) => time).sort((a, b) => a - b);
  const [{ files, bytes }] = loads;
  const loaded = `${files} files, ${(bytes / 1000).toFixed(0)} kB`;
  note(`require: ${loaded}, median ${times[4].toFixed(1)} ms of ${times.length} processes`);
  if (files > requireLimit.files || bytes > requireLimit.bytes)
    throw new Problem(`require loads ${loaded}; the limit is ${requireLimit.files} files, ${requireLimit.bytes} bytes`);
}

/** Without its platform package, the error has to name the package and the way out. */
function checkMissingPackage(app, env, node, platform) {
  rmSync(join(app, 'node_modules', platform.package), { recursive: true });
  const program = `
    (async () => new (require('holdfast').StorageManager)({ memory: {} }).getEngine('memory').get('a'))().then(
      () => console.log('no error'), (error) => console.log(error.message));`;
  const said = capture(node, ['-e', program], { cwd: app, env });
  for (const expected of [platform.package, 'npm install', 'HOLDFAST_NATIVE_PATH']) {
    if (!said?.includes(expected))
      throw new Problem(`the error for a missing platform package lacks ${expected}: ${said}`);
  }
  note(`a missing ${platform.package} is named, with the way to repair it`);
}

await main(async () => {
  const work = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-prove-')));
  try {
    const packed = await packLocal(join(work, 'tarballs'));
    if (packed.platform.id !== 'linux-x64-gnu')
      throw new Problem(`this proof runs on linux-x64-gnu, not ${packed.platform.id}`);
    const sizes = [
      ['stripped addon', packed.addonSize, addonLimit],
      ['packed tarball', packed.platformPackage.listing.size, tarballLimit],
    ];
    for (const [what, size, limit] of sizes) {
      note(`${what}: ${(size / 2 ** 20).toFixed(2)} MiB of at most ${limit / 2 ** 20}`);
      if (size > limit) throw new Problem(`the ${what} is too large`);
    }
    await checkTypes(packed, work);
    const binaries = await installTools('runtimes');

    step('Installing the tarballs into an empty folder, with no toolchain on PATH and no network');
    const env = bareEnvironment(work);
    const app = join(work, 'app');
    await installedApp(app, packed, work, env);
    cpSync(join(root, '__test__/smoke'), app, { recursive: true });

    let passed = 0;
    for (const runtime of runtimes) {
      const binary = join(binaries, runtime.path);
      step(`${runtime.name}: ${capture(binary, ['--version'], { env })?.split('\n')[0]}`);
      for (const program of programs) {
        await run(binary, [...runtime.args, program], { cwd: app, env });
        passed += 1;
      }
    }
    step('Loading');
    const node = join(binaries, runtimes[0].path);
    checkRequire(app, env, node);
    checkMissingPackage(app, env, node, packed.platform);
    passed += 2 + (await proveBundlers(packed, { next: false }));
    console.log(`\npackage: ${passed} passed, 0 failed`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
