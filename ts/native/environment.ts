import { loadAddon } from '../loader/load.js';
import { settle } from './calls.js';
import type { NativeAddon, NativeClock, NativeSession } from './interface.js';

let session: NativeSession | undefined;

/** The addon's session in this environment. The first use begins it, so importing the package costs nothing. */
export function nativeSession(): NativeSession {
  return (session ??= loadAddon<NativeAddon>().init(settle));
}

/** The clock of the process. */
export function nativeClock(): NativeClock {
  return loadAddon<NativeAddon>();
}

/** Which keys match a glob. */
export function matchKeys(pattern: string, keys: string[]): boolean[] {
  return loadAddon<NativeAddon>().matchKeys(pattern, keys);
}
