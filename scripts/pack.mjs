// npm run pack:local: the two tarballs that install on this machine, in ./dist-pack or the folder given.
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main, note, Problem, step } from './lib/console.mjs';
import { root } from './lib/paths.mjs';
import { platformOfTarget } from './lib/platforms.mjs';
import { capture } from './lib/run.mjs';
import { pack, stagePlatform, stageRoot, strip } from './lib/stage.mjs';

/** Packs the built root package and this machine's platform package into `destination`. */
export async function packLocal(destination) {
  step('Packing the root package and the platform package');
  const host = /^host: (.*)$/m.exec(capture('rustc', ['-vV']) ?? '')?.[1];
  const platform = platformOfTarget(host);
  const built = platform && join(root, platform.addon);
  if (!built || !existsSync(built)) throw new Problem('the addon is not built', 'npm run build');
  const work = mkdtempSync(join(tmpdir(), 'holdfast-pack-'));
  try {
    const addon = join(work, platform.addon);
    copyFileSync(built, addon);
    await strip(platform, addon);
    const addonSize = statSync(addon).size;
    stagePlatform(platform, addon, join(work, 'platform'));
    stageRoot(join(work, 'root'));
    const packed = [pack(join(work, 'root'), destination), pack(join(work, 'platform'), destination)];
    for (const { tarball, listing } of packed)
      note(`${tarball}: ${listing.entryCount} files, ${(listing.size / 1024).toFixed(0)} KiB`);
    return { platform, addonSize, root: packed[0], platformPackage: packed[1] };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(() => packLocal(resolve(process.argv[2] ?? join(root, 'dist-pack'))));
}
