// An application in a folder of its own, with the packages as a user installs them.
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { run, which } from './run.mjs';
import { pack } from './stage.mjs';

/** The dependencies of the root package and theirs, packed from node_modules: there is no network to fetch them. */
function packDependencies(destination) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const folders = Object.entries(packages)
    .filter(([path, { dev, optional, peer }]) => path !== '' && !dev && !optional && !peer)
    .map(([path]) => join(root, path));
  return folders.map((folder) => pack(folder, destination).tarball);
}

/** Makes `folder` an application, and installs what `packLocal` packed into it, without a network. */
export async function installedApp(folder, packed, work, env = process.env) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true }\n');
  const npm = join(realpathSync(which('npm')), '../npm-cli.js');
  const tarballs = [
    packed.root.tarball,
    packed.platformPackage.tarball,
    ...packDependencies(join(work, 'dependencies')),
  ];
  await run(process.execPath, [npm, 'install', '--offline', '--no-audit', '--no-fund', ...tarballs], {
    cwd: folder,
    env,
  });
}
