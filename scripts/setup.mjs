// Checks that this machine can build the addon, fetches what may be fetched, and says how to get the rest.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installCommand, isDebianRoot } from './lib/advice.mjs';
import { main, note, Problem, step } from './lib/console.mjs';
import { libclangEnvironment } from './lib/libclang.mjs';
import { root } from './lib/paths.mjs';
import { rocksdbEnvironment } from './lib/rocksdb.mjs';
import { capture, run, which } from './lib/run.mjs';

function checkRust(env) {
  const home = join(env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin');
  // rustup changes PATH for new shells only; a build right after its installation finds cargo all the same.
  if (!which('cargo', env) && existsSync(home)) env.PATH = `${home}${delimiter}${env.PATH}`;
  const said = which('cargo', env) && capture('cargo', ['--version'], { env });
  const needed = /rust-version = "([\d.]+)"/.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1] ?? '1.89';
  if (!said) throw new Problem(`Rust ${needed} or newer is missing: cargo is not on PATH.`, installCommand('rust'));
  const [major, minor] = /(\d+)\.(\d+)/.exec(said).slice(1).map(Number);
  const [wantMajor, wantMinor] = needed.split('.').map(Number);
  if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
    throw new Problem(`${said} is too old: the addon needs Rust ${needed} or newer.`, 'rustup update stable');
  }
  note(said);
}

function checkCompiler(env) {
  if (process.platform === 'win32') return; // the cc crate finds MSVC by the registry, and says so when it does not
  const compiler = [env.CXX, 'c++', 'g++', 'clang++'].find((name) => name && which(name.split(' ')[0], env));
  if (!compiler)
    throw new Problem('A C++ compiler is missing: RocksDB is compiled from source.', installCommand('compiler'));
  note(`C++ compiler: ${capture(compiler.split(' ')[0], ['--version'], { env })?.split('\n')[0] ?? compiler}`);
}

/** What a build needs. Resolves to the environment to run cargo with. */
export async function setUp() {
  step('Checking what the build needs');
  const env = { ...process.env };
  checkRust(env);
  checkCompiler(env);
  Object.assign(env, await libclangEnvironment(env));
  // RocksDB's build script never asks for it, and macOS' plain fsync does not survive power loss.
  if (process.platform === 'darwin' && !env.CXXFLAGS?.includes('HAVE_FULLFSYNC')) {
    env.CXXFLAGS = `${env.CXXFLAGS ?? ''} -DHAVE_FULLFSYNC`.trim();
  }
  Object.assign(env, await rocksdbEnvironment(env));
  return env;
}

/** Whether there is a redis-server, installed from Debian's packages when we may. */
export async function installRedis() {
  if (which('redis-server')) return true;
  if (!isDebianRoot()) return false;
  step('Installing the Debian package redis-server, which is started on a free port');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await run('apt-get', ['update', '-qq'], { env, allowFailure: true });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], {
    env,
    allowFailure: true,
  });
  return Boolean(which('redis-server'));
}

/** What the tests need besides. */
export async function setUpRedis() {
  if (!(await installRedis()))
    throw new Problem(
      'redis-server is missing: the tests start one of their own on a free port.',
      installCommand('redis'),
    );
  note(capture('redis-server', ['--version'])?.split(' sha=')[0] ?? 'redis-server found');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(setUp);
