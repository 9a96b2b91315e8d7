// The release gate: refuses an incomplete or inconsistent set. node scripts/check-release.mjs [TAG]
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { main, note, Problem, step } from './lib/console.mjs';
import { manifest, root } from './lib/paths.mjs';
import { platforms } from './lib/platforms.mjs';
import { addonLimit, platformManifest, publishedManifest } from './lib/stage.mjs';

const machines = {
  elf: { x64: 62, arm64: 183 },
  pe: { x64: 0x8664, arm64: 0xaa64 },
  macho: { x64: 0x01000007, arm64: 0x0100000c },
};

/** The processor an addon is for, by its header, or null where the file is of another kind than its system loads. */
function processor(file, os) {
  const descriptor = openSync(file, 'r');
  const bytes = Buffer.alloc(4096);
  readSync(descriptor, bytes, 0, bytes.length, 0);
  closeSync(descriptor);
  const name = (table, code) => Object.keys(table).find((cpu) => table[cpu] === code) ?? null;
  if (os === 'linux') return bytes.readUInt32BE(0) === 0x7f454c46 ? name(machines.elf, bytes.readUInt16LE(18)) : null;
  if (os === 'darwin') return bytes.readUInt32LE(0) === 0xfeedfacf ? name(machines.macho, bytes.readUInt32LE(4)) : null;
  if (bytes.toString('latin1', 0, 2) !== 'MZ') return null;
  const header = Math.min(bytes.readUInt32LE(0x3c), bytes.length - 8);
  return bytes.toString('latin1', header, header + 4) === 'PE\0\0'
    ? name(machines.pe, bytes.readUInt16LE(header + 4))
    : null;
}

function mistakes(platform) {
  const folder = join(root, 'npm', platform.id);
  const found = [];
  const written =
    existsSync(join(folder, 'package.json')) && JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (JSON.stringify(written) !== JSON.stringify(platformManifest(platform)))
    found.push('package.json differs from the platform table');
  const addon = join(folder, platform.addon);
  if (!existsSync(addon)) return [...found, `${platform.addon} is missing`];
  const { size } = statSync(addon);
  if (size > addonLimit) found.push(`the addon has ${size} bytes; the limit is ${addonLimit}`);
  const cpu = size < 4096 ? null : processor(addon, platform.os);
  if (cpu !== platform.cpu) found.push(`the addon is for ${cpu ?? 'no such system'}`);
  return found;
}

await main(async () => {
  step(`Checking the release of ${manifest.name} ${manifest.version}`);
  const tag = process.argv[2];
  const found = platforms.flatMap((platform) => mistakes(platform).map((mistake) => `npm/${platform.id}: ${mistake}`));
  if (tag !== undefined && tag !== `v${manifest.version}`)
    found.push(`the tag is ${tag}, package.json says ${manifest.version}`);
  const crate = /^\[workspace\.package\][^[]*?^version = "([^"]+)"/ms.exec(
    readFileSync(join(root, 'Cargo.toml'), 'utf8'),
  )?.[1];
  if (crate !== manifest.version) found.push(`Cargo.toml says ${crate}, package.json ${manifest.version}`);
  if (!manifest.repository) found.push('package.json has no repository: links of the published README lead nowhere');
  const headings = readFileSync(join(root, 'CHANGELOG.md'), 'utf8').split('\n');
  if (!headings.some((line) => line.startsWith(`## ${manifest.version} (2`))) {
    found.push(`CHANGELOG.md has no dated entry: ## ${manifest.version} (YYYY-MM-DD)`);
  }
  if (publishedManifest().repository === undefined)
    found.push('package.json has no repository, where users look for sources and report what is wrong');
  for (const path of publishedManifest().files) if (!existsSync(join(root, path))) found.push(`${path} is not built`);
  if (found.length > 0) throw new Problem(`this set must not be published:\n  ${found.join('\n  ')}`);
  note(`complete: ${platforms.length} platform packages and the root package`);
});
