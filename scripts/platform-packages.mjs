// Writes npm/PLATFORM/package.json and README.md from scripts/lib/platforms.mjs; --check fails when one is stale.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, note, Problem, step } from './lib/console.mjs';
import { root } from './lib/paths.mjs';
import { platforms } from './lib/platforms.mjs';
import { platformManifest, platformReadme } from './lib/stage.mjs';

const read = (file) => {
  try {
    return readFileSync(file, 'utf8').replaceAll('\r\n', '\n');
  } catch {
    return null;
  }
};

await main(async () => {
  const check = process.argv.includes('--check');
  step(check ? 'Comparing npm/ with the platform table' : 'Writing npm/');
  const stale = [];
  for (const platform of platforms) {
    const folder = join(root, 'npm', platform.id);
    const files = {
      'package.json': `${JSON.stringify(platformManifest(platform), null, 2)}\n`,
      'README.md': platformReadme(platform),
    };
    for (const [name, text] of Object.entries(files)) {
      if (read(join(folder, name)) === text) continue;
      stale.push(`npm/${platform.id}/${name}`);
      if (check) continue;
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, name), text);
    }
  }
  const known = new Set(platforms.map((platform) => platform.id));
  const extra = readdirSync(join(root, 'npm')).filter((name) => !known.has(name));
  if (extra.length > 0) throw new Problem(`npm/ holds folders no platform has: ${extra.join(', ')}`);
  if (check && stale.length > 0) throw new Problem(`stale: ${stale.join(', ')}`, 'node scripts/platform-packages.mjs');
  note(stale.length > 0 ? `written: ${stale.join(', ')}` : `${platforms.length} platform packages agree`);
});
