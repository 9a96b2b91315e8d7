// Lays out what is published: the root package with its optionalDependencies, and the platform packages with their
// addons. The repository's own package.json names no platform package, because npm ci refuses a lock file that lacks
// an unpublished one.
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './console.mjs';
import { manifest, root } from './paths.mjs';
import { platforms } from './platforms.mjs';
import { capture, run } from './run.mjs';

const published = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'repository',
  'homepage',
  'bugs',
  'author',
  'type',
];
const entryFields = [
  'engines',
  'main',
  'types',
  'exports',
  'files',
  'dependencies',
  'peerDependencies',
  'peerDependenciesMeta',
];

/** The root package as published: no development fields, every platform package at exactly this version. */
export function publishedManifest() {
  const pick = (fields) =>
    Object.fromEntries(fields.filter((field) => field in manifest).map((field) => [field, manifest[field]]));
  return {
    ...pick(published),
    ...pick(entryFields),
    optionalDependencies: Object.fromEntries(platforms.map((platform) => [platform.package, manifest.version])),
  };
}

const libcField = ({ libc }) => (libc ? { libc: [libc] } : {});

/** The package.json of one platform package. */
export const platformManifest = (platform) => ({
  name: platform.package,
  version: manifest.version,
  description: `The native addon of holdfast for ${platform.id}`,
  license: manifest.license,
  ...(manifest.repository ? { repository: manifest.repository } : {}),
  engines: manifest.engines,
  os: [platform.os],
  cpu: [platform.cpu],
  ...libcField(platform),
  main: platform.addon,
  files: [platform.addon],
  publishConfig: { access: 'public' },
});

export const platformReadme = (platform) =>
  `# ${platform.package}\n\nThe native addon of holdfast for \`${platform.target}\`.\n` +
  'It is installed with holdfast; there is no need to depend on it.\n';

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

/** Writes the publishable root package into `folder`. */
export function stageRoot(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), json(publishedManifest()));
  for (const path of [...manifest.files, 'README.md', 'LICENSE']) {
    const from = join(root, path);
    if (existsSync(from)) cpSync(from, join(folder, path), { recursive: true });
    else throw new Problem(`${path} is missing`, 'npm run build');
  }
}

/** Writes one platform package, with `addon` in it, into `folder`. */
export function stagePlatform(platform, addon, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), json(platformManifest(platform)));
  writeFileSync(join(folder, 'README.md'), platformReadme(platform));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(addon, join(folder, platform.addon));
  chmodSync(join(folder, platform.addon), 0o755);
}

/** Removes an addon's symbols in place. Windows keeps them in a .pdb file, apart from the start. */
export async function strip(platform, addon, tool = process.env.STRIP ?? 'strip') {
  if (platform.os === 'win32') return;
  // Local symbols only: the exported ones are how Node finds the module.
  await run(tool, platform.os === 'darwin' ? ['-x', addon] : ['--strip-unneeded', addon]);
}

/** The most bytes of a stripped addon, and of its packed tarball (docs/decisions/0016). */
export const addonLimit = 20 * 2 ** 20;
export const tarballLimit = 9 * 2 ** 20;

/** Packs a staged folder and returns the tarball's path and its listing. */
export function pack(folder, destination) {
  mkdirSync(destination, { recursive: true });
  const said = capture('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', destination], {
    cwd: folder,
  });
  if (said === null) throw new Problem(`npm pack failed in ${folder}`);
  // npm 11 answers with an array, npm 12 with an object by package name.
  const parsed = JSON.parse(said);
  const [listing] = Array.isArray(parsed) ? parsed : Object.values(parsed);
  return { tarball: join(destination, listing.filename), listing };
}
