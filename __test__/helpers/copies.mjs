// Other copies of the package in this process.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folderOf } from './engines.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Copies the package as it is installed, changes each of its bundles, and gives the folder. */
export function copyPackage(t, change = (code) => code) {
  const folder = folderOf(t);
  const addon = readdirSync(root).find((name) => name.endsWith('.node'));
  for (const name of ['dist', 'package.json', addon]) cpSync(join(root, name), join(folder, name), { recursive: true });
  for (const name of readdirSync(join(folder, 'dist')).filter((file) => file.endsWith('.cjs'))) {
    const file = join(folder, 'dist', name);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
  }
  return folder;
}

/** The exports of a copy in `folder`. */
export const load = (folder) => createRequire(import.meta.url)(join(folder, 'dist/index.cjs'));

/** A copy of this version that is an instance of its own, as if it ran in another context. */
export const copyApart = (t) => load(copyPackage(t, (code) => code.replace('"holdfast@', '"holdfast-apart@')));
