import { isNotFound } from './not-found.js';

declare const require: (name: string) => unknown;

/**
 * The addon of a platform, as a bundler has put it beside its bundle or into it; undefined without one. Tracers (nft,
 * ncc, the standalone output of Next) and `bun build` follow these calls, because they are literal. They take packages
 * that are not installed for optional, because the calls stand in a `try`. The build for other bundlers has
 * `untraced.ts` in place of this file.
 */
export function tracedAddon(platform: string): unknown {
  try {
    switch (platform) {
      case 'linux-x64-gnu':
        return require('@holdfast/linux-x64-gnu');
      case 'linux-arm64-gnu':
        return require('@holdfast/linux-arm64-gnu');
      case 'linux-x64-musl':
        return require('@holdfast/linux-x64-musl');
      case 'linux-arm64-musl':
        return require('@holdfast/linux-arm64-musl');
      case 'darwin-x64':
        return require('@holdfast/darwin-x64');
      case 'darwin-arm64':
        return require('@holdfast/darwin-arm64');
      case 'win32-x64-msvc':
        return require('@holdfast/win32-x64-msvc');
      case 'win32-arm64-msvc':
        return require('@holdfast/win32-arm64-msvc');
      default:
        return undefined;
    }
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
