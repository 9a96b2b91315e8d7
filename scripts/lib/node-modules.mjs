import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { note, step } from './console.mjs';
import { root, toolsDir } from './paths.mjs';
import { run } from './run.mjs';

const versions = (file) => {
  const { packages } = JSON.parse(readFileSync(file, 'utf8'));
  const listed = Object.entries(packages).filter(([path, entry]) => path && !entry.optional);
  return new Map(listed.map(([path, entry]) => [path, entry.version]));
};

/** Whether node_modules holds what the lock file of `folder` names; packages for other platforms do not count. */
export function isInstalled(folder) {
  const [wanted, present] = ['package-lock.json', 'node_modules/.package-lock.json'].map((name) => join(folder, name));
  if (!existsSync(present)) return false;
  const have = versions(present);
  return [...versions(wanted)].every(([path, version]) => have.get(path) === version);
}

/** Runs npm ci in `folder` unless node_modules already matches the lock file. */
export async function install(folder = root) {
  if (isInstalled(folder)) return note('node_modules is up to date');
  step(`Installing npm packages${folder === root ? '' : ` of ${folder}`}`);
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
}

/** Installs what the lock file in a folder of scripts/ names, outside of the clone. Gives the node_modules. */
export async function installTools(name) {
  const folder = join(toolsDir, name.replaceAll('/', '-'));
  mkdirSync(folder, { recursive: true });
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(join(root, 'scripts', name, file), join(folder, file));
  await install(folder);
  return join(folder, 'node_modules');
}
