// Puts the addon just built, stripped, into its folder under npm/: node scripts/stage-platform.mjs linux-x64-gnu
import { copyFileSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { main, note, Problem } from './lib/console.mjs';
import { root } from './lib/paths.mjs';
import { platforms } from './lib/platforms.mjs';
import { strip } from './lib/stage.mjs';

await main(async () => {
  const platform = platforms.find(({ id }) => id === process.argv[2]);
  if (!platform) throw new Problem(`name a platform: ${platforms.map(({ id }) => id).join(', ')}`);
  const built = join(root, platform.addon);
  if (!existsSync(built)) throw new Problem(`${platform.addon} is not built`, 'npm run build');
  const staged = join(root, 'npm', platform.id, platform.addon);
  copyFileSync(built, staged);
  await strip(platform, staged);
  note(`npm/${platform.id}/${platform.addon}: ${(statSync(staged).size / 2 ** 20).toFixed(2)} MiB`);
});
