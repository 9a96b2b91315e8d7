import { loadAddon } from '../loader/load.js';
import { settle } from './calls.js';
import type { NativeAddon } from './interface.js';

let addon: NativeAddon | undefined;

/** The addon, loaded at the first use, so that importing the package costs nothing. */
export function native(): NativeAddon {
  if (addon === undefined) {
    const loaded = loadAddon<NativeAddon>();
    loaded.init(settle);
    addon = loaded;
  }
  return addon;
}
