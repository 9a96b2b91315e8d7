import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { currentPlatform, platformIds } from './platform.js';

// The bundle is CommonJS, so __filename is a file of dist/. Resolving from it works in Node, Bun, Deno, workers and
// asar archives.
const requireFromHere = createRequire(__filename);

let addon: unknown;

/**
 * The native addon. The first call loads it, from the first of these that exists: the file that `HOLDFAST_NATIVE_PATH`
 * names, the installed package for this platform, a file built beside package.json.
 */
export function loadAddon<T>(): T {
  addon ??= load();
  return addon as T;
}

function load(): unknown {
  const override = process.env['HOLDFAST_NATIVE_PATH'];
  if (override) return open(resolve(override), 'HOLDFAST_NATIVE_PATH');

  const platform = currentPlatform();
  const packaged = resolvePackaged(`@holdfast/${platform}`);
  if (packaged !== null) return open(unpacked(packaged), `the package @holdfast/${platform}`);

  const local = unpacked(join(dirname(__filename), '..', `holdfast.${platform}.node`));
  if (existsSync(local)) return open(local, 'the local build');

  throw addonError(missing(platform));
}

function resolvePackaged(name: string): string | null {
  try {
    return requireFromHere.resolve(name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

/** The path outside of an asar archive, from which no library can be loaded: packagers put libraries beside it. */
function unpacked(file: string): string {
  const outside = file.replace(`.asar${sep}`, `.asar.unpacked${sep}`);
  return outside !== file && existsSync(outside) ? outside : file;
}

function open(file: string, source: string): unknown {
  try {
    return requireFromHere(file);
  } catch (cause) {
    throw addonError(
      `The native addon of holdfast (${source}, ${file}) cannot be loaded: ${(cause as Error).message}`,
      cause,
    );
  }
}

function missing(platform: string): string {
  if (!(platformIds as readonly string[]).includes(platform)) {
    return (
      `holdfast has no prebuilt addon for ${platform}. Build it from its repository ` +
      '(npm ci && npm run build) and set HOLDFAST_NATIVE_PATH to the .node file.'
    );
  }
  return (
    `The package @holdfast/${platform}, which holds the native addon of holdfast, is not installed. ` +
    'npm drops optional packages of other platforms from a lock file it writes beside an existing node_modules ' +
    '(npm issue 4828), and --omit=optional leaves them out. To repair: remove node_modules and package-lock.json and ' +
    `run npm install; or run npm install --no-save @holdfast/${platform}. ` +
    'In a clone of the repository run npm run build. ' +
    'HOLDFAST_NATIVE_PATH may name a .node file to load instead.'
  );
}

function addonError(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'HOLDFAST_ADDON_MISSING' });
}
