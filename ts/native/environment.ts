import { isMainThread } from 'node:worker_threads';
import { loadAddon } from '../loader/load.js';
import { settle } from './calls.js';
import type { NativeAddon, NativeClock, NativeSession } from './interface.js';

let session: NativeSession | undefined;

/** The addon's session in this environment. The first use begins it, so importing the package costs nothing. */
export function nativeSession(): NativeSession {
  return (session ??= begin());
}

function begin(): NativeSession {
  const begun = loadAddon<NativeAddon>().init(settle);
  // `process.exit()` runs no hook of the addon's on the main thread before it frees static data. Hooks of other threads
  // run.
  if (isMainThread) process.once('exit', () => begun.processEnds());
  return begun;
}

/** The clock of the process. */
export function nativeClock(): NativeClock {
  return loadAddon<NativeAddon>();
}

/** Which keys match a glob. */
export function matchKeys(pattern: string, keys: string[]): boolean[] {
  return loadAddon<NativeAddon>().matchKeys(pattern, keys);
}
