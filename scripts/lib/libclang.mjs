// bindgen, which librocksdb-sys runs, loads libclang at build time. It is looked for where systems keep it and
// otherwise fetched as the PyPI wheel `libclang`, which needs no root.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { note, Problem } from './console.mjs';
import { installCommand, isDebianRoot } from './advice.mjs';
import { toolsDir } from './paths.mjs';
import { capture, run, which } from './run.mjs';

const wheelVersion = '18.1.1';
const library = /^(libclang(-[\d.]+)?\.so(\.[\d.]+)*|libclang\.dylib|libclang\.dll)$/;

const holds = (folder) => {
  try {
    return readdirSync(folder).some((name) => library.test(name) && statSync(join(folder, name)).size > 0);
  } catch {
    return false;
  }
};

const numbered = (parent, prefix, rest) => {
  try {
    return readdirSync(parent)
      .filter((name) => name.startsWith(prefix))
      .sort((a, b) => Number(b.slice(prefix.length)) - Number(a.slice(prefix.length)))
      .map((name) => join(parent, name, rest));
  } catch {
    return [];
  }
};

function systemFolders() {
  const fromConfig = capture('llvm-config', [process.platform === 'win32' ? '--bindir' : '--libdir']);
  const folders = fromConfig ? [fromConfig] : [];
  if (process.platform === 'darwin') {
    const xcode = capture('xcode-select', ['-p']);
    if (xcode) folders.push(join(xcode, 'Toolchains/XcodeDefault.xctoolchain/usr/lib'), join(xcode, 'usr/lib'));
    folders.push(
      '/Library/Developer/CommandLineTools/usr/lib',
      '/opt/homebrew/opt/llvm/lib',
      '/usr/local/opt/llvm/lib',
    );
  } else if (process.platform === 'win32') {
    const programs = process.env.ProgramFiles ?? 'C:\\Program Files';
    folders.push(join(programs, 'LLVM', 'bin'));
  } else {
    folders.push(...numbered('/usr/lib', 'llvm-', 'lib'), ...numbered('/usr/lib', 'llvm', 'lib'));
    const triplet = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch];
    if (triplet) folders.push(`/usr/lib/${triplet}`);
    folders.push('/usr/lib64', '/usr/lib', '/usr/local/lib');
  }
  return folders;
}

const wheelRoot = join(toolsDir, `libclang-${wheelVersion}`);
const wheelFolder = join(wheelRoot, 'clang', 'native');

/** The wheel has no headers of the compiler's own; those of the C compiler serve. */
function wheelEnvironment(env) {
  const found = { LIBCLANG_PATH: wheelFolder };
  if (env.BINDGEN_EXTRA_CLANG_ARGS || process.platform === 'win32') return found;
  for (const compiler of [env.CC, 'cc', 'gcc', 'clang'].filter(Boolean)) {
    const headers = capture(compiler, ['-print-file-name=include']);
    if (headers && existsSync(join(headers, 'stddef.h'))) return { ...found, BINDGEN_EXTRA_CLANG_ARGS: `-I${headers}` };
  }
  return found;
}

async function fetchWheel(env) {
  const request = [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary=:all:',
    '--upgrade',
  ];
  const pips = [['pip3'], ['pip'], ['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['py', '-m', 'pip']];
  for (const [program, ...before] of pips) {
    if (!which(program) || capture(program, [...before, '--version']) === null) continue;
    note(
      `libclang is not installed; fetching the PyPI wheel libclang ${wheelVersion} with ${[program, ...before].join(' ')}`,
    );
    mkdirSync(toolsDir, { recursive: true });
    const partial = `${wheelRoot}.partial-${process.pid}`;
    const args = [...before, ...request, '--target', partial, `libclang==${wheelVersion}`];
    const { code } = await run(program, args, { env: { ...env, PIP_ROOT_USER_ACTION: 'ignore' }, allowFailure: true });
    if (code === 0 && holds(join(partial, 'clang', 'native'))) {
      try {
        // One step: of two builds at once none sees half a library.
        renameSync(partial, wheelRoot);
      } catch (error) {
        if (!holds(wheelFolder)) throw error;
      }
    }
    rmSync(partial, { recursive: true, force: true });
    if (holds(wheelFolder)) return true;
    note(`${program} could not install it`);
  }
  return false;
}

/** Environment variables that let bindgen find libclang; empty when it needs none. */
export async function libclangEnvironment(env = process.env) {
  const given = env.LIBCLANG_PATH;
  if (given) {
    if (holds(given) || (existsSync(given) && holds(dirname(given)))) {
      note(`libclang: ${given} (LIBCLANG_PATH)`);
      return {};
    }
    throw new Problem(
      `LIBCLANG_PATH is ${given}, which holds no libclang`,
      'Unset it, or point it at the folder of libclang.',
    );
  }
  const system = systemFolders().find(holds);
  if (system) {
    note(`libclang: ${system}`);
    return { LIBCLANG_PATH: system };
  }
  if (holds(wheelFolder) || (await fetchWheel(env))) {
    note(`libclang: ${wheelFolder} (PyPI wheel)`);
    return wheelEnvironment(env);
  }
  if (isDebianRoot()) {
    note('installing the Debian package libclang-dev');
    await run('apt-get', ['update', '-qq'], { allowFailure: true });
    const { code } = await run('apt-get', ['install', '-y', '-qq', 'libclang-dev'], { allowFailure: true });
    const installed = code === 0 && systemFolders().find(holds);
    if (installed) return { LIBCLANG_PATH: installed };
  }
  throw new Problem('libclang is missing: the RocksDB bindings are generated with it.', installCommand('libclang'));
}
