// Builds the addon in release mode and puts it beside package.json, where the loader looks when no platform package is
// installed.
//   --target TRIPLE   cross-compiles
//   --out FOLDER      puts it there instead
//   --fast            compiles incrementally: a small change takes seconds, and calls are about 5 % slower
import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { main, note, Problem, step } from './lib/console.mjs';
import { root, targetDir, toolsDir } from './lib/paths.mjs';
import { platformOfTarget } from './lib/platforms.mjs';
import { capture, run } from './lib/run.mjs';
import { setUp } from './setup.mjs';

const libraryName = { win32: 'holdfast.dll', darwin: 'libholdfast.dylib', linux: 'libholdfast.so' };

/**
 * Linker arguments that take libstdc++ from its archive: a system may have an older shared one than the addon was
 * built with. The linker looks folder by folder, so one that holds nothing but the archive decides, whatever the
 * crates ask for.
 */
function staticLibstdcxx(platform, env) {
  if (platform.os !== 'linux') return [];
  const archive = capture(env.CXX ?? 'c++', ['-print-file-name=libstdc++.a'], { env });
  if (!archive || !isAbsolute(archive)) {
    note('libstdc++ is linked dynamically: this compiler has no libstdc++.a');
    return [];
  }
  const folder = join(toolsDir, `libstdcxx-${platform.id}`);
  const link = join(folder, 'libstdc++.a');
  mkdirSync(folder, { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(archive, link);
  return ['-L', `native=${folder}`];
}

/** Builds for `target` (this machine's by default) and returns the path of the .node file. */
export async function buildNative({ target, out = root, fast = false, env } = {}) {
  env = { ...(env ?? (await setUp())), ...(fast ? { CARGO_INCREMENTAL: '1' } : {}) };
  const host = /^host: (.*)$/m.exec(capture('rustc', ['-vV'], { env }) ?? '')?.[1];
  const platform = platformOfTarget(target ?? host);
  if (!platform) throw new Problem(`no platform package is planned for ${target ?? host}`);

  step(`Building the addon for ${platform.id} (the first build takes about four minutes on two cores)`);
  const request = ['--release', '--locked', '-p', 'holdfast', ...(target ? ['--target', target] : [])];
  await run('cargo', ['rustc', ...request, '--', ...staticLibstdcxx(platform, env)], { env });

  const built = join(targetDir, ...(target ? [target] : []), 'release', libraryName[platform.os]);
  const addon = join(out, platform.addon);
  mkdirSync(out, { recursive: true });
  // Copy beside, then rename: a process that has the old addon mapped keeps it.
  copyFileSync(built, `${addon}.new`);
  renameSync(`${addon}.new`, addon);
  note(`${relative(root, addon) || addon}: ${(statSync(addon).size / 2 ** 20).toFixed(1)} MiB`);
  return addon;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main(async () => {
    const { values } = parseArgs({
      options: { target: { type: 'string' }, out: { type: 'string' }, fast: { type: 'boolean' } },
    });
    await buildNative({ ...values, out: values.out && resolve(values.out) });
  });
}
