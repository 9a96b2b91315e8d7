// Builds ts/ into what the package ships, for each row of lib/entries.mjs:
//   dist/NAME.cjs   one bundled CommonJS file
//   dist/NAME.mjs   re-exports that same instance, so import and require never hold two copies of a class
//   NAME.d.ts       the public API in one file, committed; NAME.d.mts gives the same types to importers
// --check writes nothing and fails when the committed declarations are stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transform } from 'esbuild';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { main, note, Problem, step } from './lib/console.mjs';
import { entries } from './lib/entries.mjs';
import { root } from './lib/paths.mjs';

const header = '// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.\n';
const mainEntry = entries[0];

/** Finds the .ts file behind './x.js' and erases its types. */
const typescript = {
  name: 'typescript',
  resolveId(path, importer) {
    return importer && path.startsWith('.') ? resolve(dirname(importer), path).replace(/\.js$/, '.ts') : null;
  },
  async transform(code, id) {
    const result = await transform(code, { loader: 'ts', target: 'node20', charset: 'utf8', sourcefile: id });
    return { code: result.code, map: null };
  },
};

// Rollup bundles and not esbuild, which turns a class that names itself into `var X = class _X`: users would see the underscore.
async function bundle(entry, shared) {
  const mainSource = join(root, mainEntry.source);
  const bundled = await rollup({
    input: join(root, entry.source),
    // Later entries take what they share with the first from its bundle, never as a second copy.
    external: [/^node:/, ...(entry === mainEntry ? [] : [mainSource])],
    onwarn: (warning) => {
      throw new Problem(`${entry.source}: ${warning.message}`);
    },
    plugins: [typescript],
  });
  const outfile = `dist/${entry.name}.cjs`;
  const { output } = await bundled.write({
    file: join(root, outfile),
    format: 'cjs',
    exports: 'named',
    esModule: false,
    interop: 'default',
    inlineDynamicImports: true,
    paths: { [mainSource]: `./${mainEntry.name}.cjs` },
  });
  await bundled.close();
  const [{ code, exports: exported, moduleIds }] = output;
  const twice = entry === mainEntry ? [] : moduleIds.filter((file) => shared.includes(file)).map((file) => relative(root, file));
  if (twice.length > 0) {
    throw new Problem(`${entry.source} would carry a second copy of ${twice.join(', ')}: import it from ./index.js instead`);
  }
  const names = exported.filter((name) => name !== 'default').sort();
  writeFileSync(join(root, `dist/${entry.name}.mjs`), `export {\n${names.map((name) => `  ${name},\n`).join('')}} from './${entry.name}.cjs';\n`);
  note(`${outfile}: ${(Buffer.byteLength(code) / 1024).toFixed(1)} KiB, ${names.length} exports`);
  return moduleIds;
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
  const { output } = await bundled.generate({ format: 'es', paths: { [join(root, mainEntry.source)]: `./${mainEntry.name}.js` } });
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
