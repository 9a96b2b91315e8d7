// npm run build: the release addon, the JavaScript bundle and the type declarations.
import { pathToFileURL } from 'node:url';
import { buildNative } from './build-native.mjs';
import { main } from './lib/console.mjs';
import { install } from './lib/node-modules.mjs';

/** Builds everything; `env` as setUp() gives it. */
export async function build({ env } = {}) {
  await install();
  await buildNative({ env });
  // Its dependencies are there only after install().
  const { buildTypeScript } = await import('./build-ts.mjs');
  await buildTypeScript();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(() => build());
