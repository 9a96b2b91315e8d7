import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's top folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** Cargo's target folder: CARGO_TARGET_DIR, relative to the repository as cargo takes it, else target/. */
export const targetDir = (() => {
  const given = process.env.CARGO_TARGET_DIR;
  if (!given) return join(root, 'target');
  return isAbsolute(given) ? given : join(root, given);
})();

/** Tools that the set-up fetches; beside the build output, so that one cache keeps both. */
export const toolsDir = join(targetDir, 'tools');

/** The repository's package.json. */
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
