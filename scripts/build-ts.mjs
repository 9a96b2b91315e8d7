// Builds ts/ into what the package ships, for each row of lib/entries.mjs:
//   dist/NAME.cjs   CommonJS, over dist/shared.cjs, which holds what the entries share
//   dist/NAME.mjs   re-exports that same instance, so import and require never hold two copies of a class
//   NAME.d.ts       the public API in one file, committed; NAME.d.mts gives the same types to importers
// --check writes nothing and fails when the committed declarations are stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { main, note, Problem, step } from './lib/console.mjs';
import { entries } from './lib/entries.mjs';
import { manifest, root } from './lib/paths.mjs';

const header = '// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.\n';
const mainEntry = entries[0];

// A realm that Node did not prepare, such as that of jsdom in Jest, may lack the symbol: methods of that name would be
// called "undefined". Compilers of `await using` look for the other one then.
const define = { 'Symbol.asyncDispose': 'asyncDispose' };
const dispose = "const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');";

/** Finds the .ts file behind './x.js' and erases its types. */
const typescript = {
  name: 'typescript',
  resolveId(path, importer) {
    return importer && path.startsWith('.') ? resolve(dirname(importer), path).replace(/\.js$/, '.ts') : null;
  },
  async transform(code, id) {
    const result = await transform(code, { loader: 'ts', target: 'node20', charset: 'utf8', sourcefile: id, define });
    return { code: result.code, map: null };
  },
};

const dependencies = Object.keys(manifest.dependencies ?? {});
const isExternal = (path) =>
  path.startsWith('node:') || dependencies.some((name) => path === name || path.startsWith(`${name}/`));
const refuse = (warning) => {
  throw new Problem(warning.message);
};

// One bundle for what the entries share, so that no class exists twice; and each entry's own file, which loads only
// what that entry needs. Rollup bundles and not esbuild, which turns a class that names itself into `var X = class
// _X`: users would see the underscore.
async function bundle() {
  const own = entries.map(({ source, folder }) => join(root, folder ?? source));
  const bundled = await rollup({
    input: Object.fromEntries(entries.map(({ name, source }) => [name, join(root, source)])),
    external: isExternal,
    onwarn: refuse,
    plugins: [typescript],
  });
  const { output } = await bundled.write({
    dir: join(root, 'dist'),
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    manualChunks: (id) => (own.some((path) => id === path || id.startsWith(`${path}${sep}`)) ? undefined : 'shared'),
    exports: 'named',
    esModule: false,
    interop: 'default',
    intro: ({ name }) => (name === 'shared' ? dispose : ''),
    // A context of node:vm, such as that of a test of Jest, has require, but no import().
    dynamicImportInCjs: false,
  });
  await bundled.close();
  for (const { code, fileName, name, isEntry, exports: exported } of output) {
    const size = `dist/${fileName}: ${(Buffer.byteLength(code) / 1024).toFixed(1)} KiB`;
    if (!isEntry) {
      note(size);
      continue;
    }
    const names = exported.filter((name) => name !== 'default').sort();
    writeFileSync(
      join(root, `dist/${name}.mjs`),
      `export {\n${names.map((name) => `  ${name},\n`).join('')}} from './${fileName}';\n`,
    );
    note(`${size}, ${names.length} exports`);
  }
}

/** The declarations of one entry, as [file name, text] pairs. */
async function declarations(entry) {
  const mainSource = join(root, mainEntry.source);
  const bundled = await rollup({
    input: join(root, entry.source),
    // Later entries take the types they share with the first from its declarations, never as a second copy.
    external: (path) => isExternal(path) || (entry !== mainEntry && path === mainSource),
    onwarn: refuse,
    plugins: [dts({ tsconfig: join(root, 'tsconfig.json') })],
  });
  const { output } = await bundled.generate({ format: 'es', paths: { [mainSource]: `./${mainEntry.name}.js` } });
  await bundled.close();
  return [
    [`${entry.name}.d.ts`, `${header}${output[0].code.trimEnd()}\n`],
    [`${entry.name}.d.mts`, `${header}export * from './${entry.name}.js';\n`],
  ];
}

const read = (path) => {
  try {
    return readFileSync(path, 'utf8').replaceAll('\r\n', '\n');
  } catch {
    return null;
  }
};

/** Bundles and writes the declarations; with `check`, only compares the declarations. */
export async function buildTypeScript({ check = false } = {}) {
  step(
    check
      ? 'Comparing the committed declarations with ts/'
      : 'Building the JavaScript bundle and the type declarations',
  );
  if (!check) {
    mkdirSync(join(root, 'dist'), { recursive: true });
    await bundle();
  }
  const stale = [];
  for (const entry of entries) {
    for (const [name, text] of await declarations(entry)) {
      if (read(join(root, name)) === text) continue;
      stale.push(name);
      if (!check) writeFileSync(join(root, name), text);
    }
  }
  if (check && stale.length > 0) {
    throw new Problem(
      `${stale.join(', ')} does not match ts/`,
      'npm run build:ts, then commit the change of the public API',
    );
  }
  note(stale.length > 0 ? `written: ${stale.join(', ')}` : 'declarations are up to date');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(() => buildTypeScript({ check: process.argv.includes('--check') }));
}
