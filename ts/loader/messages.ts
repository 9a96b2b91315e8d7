import { VERSION } from '../version.js';
import { platformIds } from './platform.js';

/** The package for this platform is not there. */
export function notInstalled(platform: string): string {
  if (!isPrebuilt(platform)) return notPrebuilt(platform);
  return (
    `The package @holdfast/${platform}, which holds the native addon of holdfast, is not installed. ` +
    'npm drops optional packages of other platforms from a lock file it writes beside an existing node_modules ' +
    '(npm issue 4828), and --omit=optional leaves them out. To repair: remove node_modules and package-lock.json and ' +
    `run npm install; or run npm install --no-save @holdfast/${platform}. ` +
    'In a clone of the repository run npm run build. ' +
    'HOLDFAST_NATIVE_PATH may name a .node file to load instead.'
  );
}

/** A bundler has moved our code to `file`, and the addon did not come along. */
export function bundled(platform: string, file: string | undefined): string {
  if (!isPrebuilt(platform)) return notPrebuilt(platform);
  return (
    `The native addon of holdfast is not there: holdfast was bundled${file === undefined ? '' : ` into ${file}`}, and a ` +
    'bundler cannot put a native addon into JavaScript. To repair, do one of these. ' +
    "Leave holdfast out of the bundle, and ship node_modules: external: ['holdfast'] (esbuild, rollup), " +
    "ssr.external: ['holdfast'] (Vite), externals: { holdfast: 'commonjs holdfast' } (webpack), " +
    "serverExternalPackages: ['holdfast'] (Next). " +
    `Copy holdfast.${platform}.node from the package @holdfast/${platform} beside the bundle. ` +
    'Or let HOLDFAST_NATIVE_PATH name that file. docs/bundlers.md of the package has an example for each bundler.'
  );
}

/** The addon is there and cannot be loaded. */
export function failed(source: string, cause: unknown): string {
  return `The native addon of holdfast (${source}) cannot be loaded: ${(cause as Error).message}`;
}

/** The addon is there and does not belong to this copy of the package. */
export function otherVersion(source: string, version: unknown): string {
  const theirs = typeof version === 'string' ? `has version ${version}` : 'tells no version';
  return (
    `The native addon of holdfast (${source}) ${theirs}, and holdfast has version ${VERSION}. ` +
    `They have to be equal: install holdfast and its platform package anew, bundle again, or let ` +
    'HOLDFAST_NATIVE_PATH name the addon of this version.'
  );
}

function isPrebuilt(platform: string): boolean {
  return (platformIds as readonly string[]).includes(platform);
}

function notPrebuilt(platform: string): string {
  return (
    `holdfast has no prebuilt addon for ${platform}. Build it from its repository ` +
    '(npm ci && npm run build) and set HOLDFAST_NATIVE_PATH to the .node file.'
  );
}
