// Builds ts/ into what the package ships: dist/ (lib/bundle.mjs), and for each row of lib/entries.mjs NAME.d.ts, the
// public API in one file, committed. NAME.d.mts gives the same types to importers.
// --check writes nothing and fails when the committed declarations are stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { bundle, isExternal, refuse } from './lib/bundle.mjs';
import { main, note, Problem, step } from './lib/console.mjs';
import { entries } from './lib/entries.mjs';
import { root } from './lib/paths.mjs';

const header = '// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.\n';
const mainEntry = entries[0];

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
  if (!check) await bundle();
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
