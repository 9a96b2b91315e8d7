// Bundles ts/ into dist/, for each row of entries.mjs:
//   dist/NAME.cjs      CommonJS, over dist/shared.cjs, which has what the entries share; for Node, tracers and Bun
//   dist/NAME.mjs      re-exports that same instance, so import and require never hold two copies of a class
//   dist/es/NAME.mjs   ES modules, over dist/es/shared.mjs; for bundlers (the condition "module" of package.json)
// Rollup bundles and not esbuild, which turns a class that names itself into `var X = class _X`: users would see the
// underscore.
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { transform } from 'esbuild';
import { rollup } from 'rollup';
import { note, Problem } from './console.mjs';
import { entries } from './entries.mjs';
import { oneInstance } from './one-instance.mjs';
import { manifest, root } from './paths.mjs';

const dist = join(root, 'dist');
const dependencies = Object.keys(manifest.dependencies ?? {});

/** Whether a module stays an import of the bundle. */
export const isExternal = (path) =>
  path.startsWith('node:') || dependencies.some((name) => path === name || path.startsWith(`${name}/`));

export const refuse = (warning) => {
  throw new Problem(warning.message);
};

// A realm that Node did not prepare, such as that of jsdom in Jest, may lack the symbol: methods of that name would be
// called "undefined". Compilers of `await using` look for the other one then.
const dispose = "const asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');";

const define = { PACKAGE_VERSION: JSON.stringify(manifest.version), 'Symbol.asyncDispose': 'asyncDispose' };

/** Finds the .ts file behind './x.js', or the one that takes its place, and erases its types. */
const typescript = (replaced) => ({
  name: 'typescript',
  resolveId(path, importer) {
    if (!importer || !path.startsWith('.')) return null;
    const file = resolve(dirname(importer), path).replace(/\.js$/, '.ts');
    return replaced.get(file) ?? file;
  },
  async transform(code, id) {
    const result = await transform(code, { loader: 'ts', target: 'node20', charset: 'utf8', define, sourcefile: id });
    return { code: result.code, map: null };
  },
});

// Modules outside of an entry's own folder go into one chunk, so that no class exists twice, and each entry's own file
// loads only what that entry needs.
const own = entries.map(({ source, folder }) => join(root, folder ?? source));
const chunkOf = (id) => (own.some((path) => id === path || id.startsWith(`${path}${sep}`)) ? undefined : 'shared');

/** One rollup of all entries, without the files that `replaced` maps to others. */
const bundleOf = (replaced = new Map()) =>
  rollup({
    input: Object.fromEntries(entries.map(({ name, source }) => [name, join(root, source)])),
    external: isExternal,
    onwarn: refuse,
    plugins: [typescript(replaced)],
  });

/** Names this version and its code: builds of other code must not be taken for one instance. */
function instanceKey({ cache }) {
  const code = createHash('sha256');
  for (const id of cache.modules.map(({ id }) => id).sort())
    code.update(cache.modules.find((module) => module.id === id).code);
  return `holdfast@${manifest.version}:${code.digest('hex').slice(0, 16)}`;
}

const output = (format, extension, key) => ({
  format,
  entryFileNames: `[name].${extension}`,
  chunkFileNames: `[name].${extension}`,
  manualChunks: chunkOf,
  exports: 'named',
  esModule: false,
  interop: 'default',
  intro: ({ name }) => (name === 'shared' ? dispose : ''),
  // The two builds have to agree on the names by which their chunks know each other.
  minifyInternalExports: false,
  // A context of node:vm, such as that of a test of Jest, has require, but no import().
  dynamicImportInCjs: false,
  plugins: [oneInstance({ chunk: 'shared', key, places: 'PLACES' })],
});

const namesOf = (chunks) => chunks.map(({ name, exports }) => `${name}: ${[...exports].sort().join(' ')}`).sort();

/** Bundles and writes everything. */
export async function bundle() {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  const [traced, untraced] = ['traced', 'untraced'].map((name) => join(root, `ts/loader/${name}.ts`));
  const forNode = await bundleOf();
  const forBundlers = await bundleOf(new Map([[traced, untraced]]));
  const key = instanceKey(forNode);
  const { output: scripts } = await forNode.write({ dir: dist, ...output('cjs', 'cjs', key) });
  const { output: modules } = await forBundlers.write({ dir: join(dist, 'es'), ...output('es', 'mjs', key) });
  await Promise.all([forNode.close(), forBundlers.close()]);
  if (namesOf(scripts).join() !== namesOf(modules).join())
    throw new Problem(
      `the builds differ in their exports:\n${namesOf(scripts).join('\n')}\n${namesOf(modules).join('\n')}`,
    );

  for (const { code, fileName, name, isEntry, exports: exported } of scripts) {
    const size = `dist/${fileName}: ${(Buffer.byteLength(code) / 1024).toFixed(1)} KiB`;
    if (!isEntry) {
      note(size);
      continue;
    }
    const names = exported.filter((exportedName) => exportedName !== 'default').sort();
    writeFileSync(
      join(dist, `${name}.mjs`),
      `export {\n${names.map((exportedName) => `  ${exportedName},\n`).join('')}} from './${fileName}';\n`,
    );
    note(`${size}, ${names.length} exports`);
  }
}
