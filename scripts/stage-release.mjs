// Lays out the release that check-release.mjs passed: FOLDER/root and FOLDER/platforms/PLATFORM, each ready for npm
// publish.
import { join, resolve } from 'node:path';
import { main, note } from './lib/console.mjs';
import { root } from './lib/paths.mjs';
import { platforms } from './lib/platforms.mjs';
import { stagePlatform, stageRoot } from './lib/stage.mjs';

await main(async () => {
  const folder = resolve(process.argv[2] ?? 'release');
  for (const platform of platforms) {
    stagePlatform(platform, join(root, 'npm', platform.id, platform.addon), join(folder, 'platforms', platform.id));
  }
  stageRoot(join(folder, 'root'));
  note(`staged in ${folder}`);
});
