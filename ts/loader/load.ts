import { existsSync } from 'node:fs';
// As a member of the module: webpack takes a `createRequire` that is imported by name for a require of its own.
import module from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { VERSION } from '../version.js';
import { bundled, failed, notInstalled, otherVersion } from './messages.js';
import { isNotFound } from './not-found.js';
import { packageFolder, places } from './places.js';
import { currentPlatform } from './platform.js';
import { tracedAddon } from './traced.js';

let addon: unknown;

/**
 * The native addon. The first call loads it, from the first of these that exists: the file that `HOLDFAST_NATIVE_PATH`
 * names, the installed package for this platform, what a bundler has made of that package, a file beside package.json
 * or beside the bundle.
 */
export function loadAddon<T>(): T {
  addon ??= load();
  return addon as T;
}

function load(): unknown {
  const override = process.env['HOLDFAST_NATIVE_PATH'];
  if (override) return open(resolve(override), 'HOLDFAST_NATIVE_PATH');

  const platform = currentPlatform();
  const source = `the package @holdfast/${platform}`;
  const packaged = firstOf((place) => installed(place, `@holdfast/${platform}`));
  if (packaged !== null) return open(unpacked(packaged), source);

  const traced = checked(source, () => tracedAddon(platform));
  if (traced !== undefined) return traced;

  const local = firstOf((place) => lying(packageFolder(place) ?? dirname(place), `holdfast.${platform}.node`));
  if (local !== null) return open(local, 'a file');

  const [file] = places();
  const isBundled = file === undefined || packageFolder(file) === null;
  throw addonError(isBundled ? bundled(platform, file) : notInstalled(platform));
}

/** Loads the addon of that file, and refuses one of another version. */
function open(file: string, source: string): unknown {
  return checked(`${source}, ${file}`, () => module.createRequire(file)(file));
}

function checked(source: string, loaded: () => unknown): unknown {
  let found: { version?: () => unknown } | undefined;
  let version: unknown;
  try {
    found = loaded() as { version?: () => unknown } | undefined;
    version = found?.version?.();
  } catch (cause) {
    throw addonError(failed(source, cause), cause);
  }
  if (found !== undefined && version !== VERSION) throw addonError(otherVersion(source, version));
  return found;
}

function firstOf(find: (place: string) => string | null): string | null {
  for (const place of places()) {
    const found = find(place);
    if (found !== null) return found;
  }
  return null;
}

/** The main file of a package, as `place` would load it. */
function installed(place: string, name: string): string | null {
  try {
    return module.createRequire(place).resolve(name);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

function lying(folder: string, name: string): string | null {
  const file = unpacked(join(folder, name));
  return existsSync(file) ? file : null;
}

/** The path outside of an asar archive, from which no library can be loaded: packagers put libraries beside it. */
function unpacked(file: string): string {
  const outside = file.replace(`.asar${sep}`, `.asar.unpacked${sep}`);
  return outside !== file && existsSync(outside) ? outside : file;
}

function addonError(message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'HOLDFAST_ADDON_MISSING' });
}
