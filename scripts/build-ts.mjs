// Builds ts/ into what the package ships, for each row of lib/entries.mjs:
//   dist/NAME.cjs   one bundled CommonJS file
//   dist/NAME.mjs   re-exports that same instance, so import and require never hold two copies of a class
//   NAME.d.ts       the public API in one file, committed; NAME.d.mts gives the same types to importers
// --check writes nothing and fails when the committed declarations are stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { main, note, Problem, step } from './lib/console.mjs';
import { entries } from './lib/entries.mjs';
import { root } from './lib/paths.mjs';

const header = '// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.\n';
const mainEntry = entries[0];

/** Later entries take what they share with the first from its bundle, never as a second copy. */
const shareMainEntry = {
  name: 'share-main-entry',
  setup({ onResolve }) {
    onResolve({ filter: /^\./ }, ({ path, importer }) => {
      const file = resolve(dirname(importer), path).replace(/\.js$/, '.ts');
      return file === join(root, mainEntry.source) ? { path: `./${mainEntry.name}.cjs`, external: true } : undefined;
    });
  },
};

async function bundle(entry, shared) {
  const options = {
    absWorkingDir: root,
    entryPoints: [entry.source],
    bundle: true,
    platform: 'node',
    target: 'node20',
    charset: 'utf8',
    metafile: true,
    logLevel: 'warning',
    plugins: entry === mainEntry ? [] : [shareMainEntry],
  };
  const outfile = `dist/${entry.name}.cjs`;
  const cjs = await build({ ...options, format: 'cjs', outfile });
  const inputs = Object.keys(cjs.metafile.inputs);
  const twice = entry === mainEntry ? [] : inputs.filter((file) => shared.includes(file));
  if (twice.length > 0) {
    throw new Problem(`${entry.source} would carry a second copy of ${twice.join(', ')}: import it from ./index.js instead`);
  }
  // Only esbuild's ESM output lists the names it exports.
  const esm = await build({ ...options, format: 'esm', outfile: `dist/${entry.name}.mjs`, write: false });
  const names = Object.values(esm.metafile.outputs)[0].exports.filter((name) => name !== 'default').sort();
  writeFileSync(join(root, `dist/${entry.name}.mjs`), `export {\n${names.map((name) => `  ${name},\n`).join('')}} from './${entry.name}.cjs';\n`);
  note(`${outfile}: ${(cjs.metafile.outputs[outfile].bytes / 1024).toFixed(1)} KiB, ${names.length} exports`);
  return inputs;
}

/** The declarations of one entry, as [file name, text] pairs. */
async function declarations(entry) {
  const bundled = await rollup({
    input: join(root, entry.source),
    external: [/^node:/, ...(entry === mainEntry ? [] : [join(root, mainEntry.source)])],
    onwarn: (warning) => {
      throw new Problem(`${entry.source}: ${warning.message}`);
    },
    plugins: [dts({ tsconfig: join(root, 'tsconfig.json') })],
  });
  const { output } = await bundled.generate({ format: 'es', paths: { [join(root, mainEntry.source)]: mainEntry.specifier } });
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
  step(check ? 'Comparing the committed declarations with ts/' : 'Building the JavaScript bundle and the type declarations');
  if (!check) {
    mkdirSync(join(root, 'dist'), { recursive: true });
    let shared = [];
    for (const entry of entries) {
      const inputs = await bundle(entry, shared);
      if (entry === mainEntry) shared = inputs;
    }
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
    throw new Problem(`${stale.join(', ')} does not match ts/`, 'npm run build:ts, then commit the change of the public API');
  }
  note(stale.length > 0 ? `written: ${stale.join(', ')}` : 'declarations are up to date');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(() => buildTypeScript({ check: process.argv.includes('--check') }));
}
