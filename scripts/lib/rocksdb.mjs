// RocksDB, compiled ahead of cargo from the sources that the crate librocksdb-sys vendors. The crate compiles its 342
// files one by one, and most of that time goes into reading the same headers again. Here each compiler takes a twelfth
// of the files at once (a "unity build"), and the library is kept outside of the clone, so that the addon, the tests
// and every other clone share it. docs/decisions/0015 has the figures.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { note, progress, step } from './console.mjs';
import { capture, which } from './run.mjs';

const unitCount = 6;
/** What one compiler takes at most, measured with GCC 12 on x64. */
const compilerMemory = 2.4 * 2 ** 30;
const library = 'librocksdb.a';

/** Where built libraries are kept: HOLDFAST_CACHE_DIR, else the user's cache folder. */
export function cacheDir(env = process.env) {
  if (env.HOLDFAST_CACHE_DIR) return env.HOLDFAST_CACHE_DIR;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'holdfast');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast');
}

/** The folders of the vendored sources, and the version of the crate; null when cargo cannot say. */
function vendored(env) {
  const said = capture('cargo', ['metadata', '--format-version=1', '--locked'], { env });
  if (!said) return null;
  const folderOf = new Map(
    JSON.parse(said).packages.map(({ name, version, manifest_path: path }) => [
      name,
      { version, folder: dirname(path) },
    ]),
  );
  const [rocksdb, lz4, zstd] = ['librocksdb-sys', 'lz4-sys', 'zstd-sys'].map((name) => folderOf.get(name));
  if (!rocksdb || !lz4 || !zstd) return null;
  return {
    version: rocksdb.version,
    folder: rocksdb.folder,
    lz4: join(lz4.folder, 'liblz4', 'lib'),
    zstd: join(zstd.folder, 'zstd', 'lib'),
  };
}

/** The flags of the crate's own build script for this platform, and the processor's CRC instructions. */
function flagsFor(sources, env) {
  const defines = [
    'NDEBUG=1',
    'SNAPPY=1',
    'LZ4=1',
    'ZSTD=1',
    'HAVE_ALIGNED_NEW',
    'HAVE_UINT128_EXTENSION',
    'ROCKSDB_PLATFORM_POSIX',
    'ROCKSDB_LIB_IO_POSIX',
  ];
  if (process.platform === 'darwin') defines.push('OS_MACOSX');
  else {
    const present = ['SCHED_GETCPU', 'AUXV_GETAUXVAL', 'FALLOCATE', 'RANGESYNC'];
    defines.push('OS_LINUX', ...present.map((name) => `ROCKSDB_${name}_PRESENT`));
  }
  const includes = ['rocksdb/include', 'rocksdb', 'rocksdb/third-party/gtest-1.8.1/fused-src', 'snappy', '.'].map(
    (path) => join(sources.folder, path),
  );
  return [
    '-std=c++20', '-O2', '-fPIC', '-ffunction-sections', '-fdata-sections', '-fno-omit-frame-pointer', '-w',
    ...(process.arch === 'x64' ? ['-msse4.2', '-mpclmul'] : []),
    ...defines.map((name) => `-D${name}`),
    ...[...includes, sources.lz4, sources.zstd].map((path) => `-I${path}`),
    '-include', 'cstdint',
    ...(env.CXXFLAGS?.split(/\s+/).filter(Boolean) ?? []),
  ]; // prettier-ignore
}

/** The source files, relative to the crate, in a list of about one size for each unit. Neighbours stay together. */
function partition(sources) {
  const listed = readFileSync(join(sources.folder, 'rocksdb_lib_sources.txt'), 'utf8').trim().split('\n');
  // The crate has a generated build_version.cc of its own.
  const files = listed
    .map((name) => name.trim())
    .filter((name) => name !== 'util/build_version.cc')
    .map((name) => `rocksdb/${name}`);
  files.push('build_version.cc');
  const sizes = files.map((name) => statSync(join(sources.folder, name)).size + 20_000);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const units = Array.from({ length: unitCount }, () => []);
  let before = 0;
  files.forEach((name, index) => {
    units[Math.min(unitCount - 1, Math.floor((before * unitCount) / total))].push(name);
    before += sizes[index];
  });
  return units;
}

function compile(compiler, args, env) {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4000)));
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) =>
      resolve(code === 0 ? null : said || `${compiler} ended with ${signal ?? code}`),
    );
  });
}

/** Compiles every unit, as many at once as processors and memory allow. Resolves to an error's text, or null. */
async function compileUnits(compiler, flags, units, folder, env) {
  const workers = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / compilerMemory), units.length));
  const bar = progress('RocksDB', units.length);
  let next = 0;
  let failure = null;
  const work = async () => {
    while (next < units.length && !failure) {
      const name = units[next++];
      failure ??= await compile(
        compiler,
        [...flags, '-c', `${name}.cc`, '-o', `${name}.o`].map((arg) =>
          arg.startsWith(name) ? join(folder, arg) : arg,
        ),
        env,
      );
      if (!failure) bar.advance();
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  bar.end();
  return failure;
}

async function buildLibrary(sources, compiler, flags, target, env) {
  const partial = `${target}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const units = partition(sources).map((files, index) => {
      const name = `unit-${String(index + 1).padStart(2, '0')}`;
      writeFileSync(
        join(partial, `${name}.cc`),
        files.map((file) => `#include "${join(sources.folder, file)}"\n`).join(''),
      );
      return name;
    });
    const failure = await compileUnits(compiler, flags, units, partial, env);
    if (failure) return failure;
    const objects = units.map((name) => join(partial, `${name}.o`));
    const archived = await compile(env.AR ?? 'ar', ['crs', join(partial, library), ...objects], env);
    if (archived) return archived;
    for (const name of units) for (const suffix of ['.cc', '.o']) rmSync(join(partial, `${name}${suffix}`));
    try {
      // One step: of two builds at once none sees half a library.
      renameSync(partial, target);
    } catch (error) {
      if (!existsSync(join(target, library))) throw error;
    }
    return null;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/**
 * The environment in which librocksdb-sys links the library that was built here. It is empty where cargo has to
 * compile RocksDB itself: on Windows, for another target, where ROCKSDB_LIB_DIR is given, and when the units do not
 * compile.
 */
export async function rocksdbEnvironment(env) {
  if (process.platform === 'win32' || env.ROCKSDB_LIB_DIR || env.ROCKSDB_COMPILE) return {};
  const compiler = [env.CXX, 'c++', 'g++', 'clang++'].find((name) => name && which(name, env));
  const sources = compiler && vendored(env);
  if (!sources) return {};
  const flags = flagsFor(sources, env);
  const identity = [
    compiler,
    capture(compiler, ['--version'], { env }),
    process.arch,
    sources.version,
    unitCount,
    env.MACOSX_DEPLOYMENT_TARGET,
    ...flags,
  ];
  const key = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
  const target = join(cacheDir(env), `rocksdb-${sources.version}-${key}`);
  if (!existsSync(join(target, library))) {
    step(`Compiling RocksDB ${sources.version} (once on this machine: about five minutes on two cores)`);
    const failure = await buildLibrary(sources, compiler, flags, target, env);
    if (failure) {
      note(
        `RocksDB does not compile as ${unitCount} units here, so cargo compiles it file by file, which takes longer:`,
      );
      note(failure.trim().split('\n').slice(0, 3).join('\n    '));
      return {};
    }
  }
  note(`RocksDB: ${target}`);
  return { ROCKSDB_LIB_DIR: target, ROCKSDB_STATIC: '1' };
}
