// npm run build: the release addon, the JavaScript bundle and the type declarations.
//   --fast   compiles the addon incrementally (scripts/build-native.mjs)
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNative } from './build-native.mjs';
import { main } from './lib/console.mjs';
import { install } from './lib/node-modules.mjs';

/** Builds everything; `env` as setUp() gives it. */
export async function build({ env, fast } = {}) {
  await install();
  await buildNative({ env, fast });
  // Its dependencies are there only after install().
  const { buildTypeScript } = await import('./build-ts.mjs');
  await buildTypeScript();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { fast: { type: 'boolean' } } });
  await main(() => build(values));
}
