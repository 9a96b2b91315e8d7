/**
 * Installs the peers beside the benchmark, so that they never enter the main dependency tree.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('../', import.meta.url));

/** Peers with an addon. npm may have refused to run the scripts that build them; then they are built here. */
const ADDONS = {
  'better-sqlite3': (Database) => new Database(':memory:').close(),
  sqlite3: () => {},
  'classic-level': () => {},
  lmdb: () => {},
};

function npm(...args) {
  const run = spawnSync('npm', [...args, '--prefix', HERE], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (run.status !== 0) throw new Error(`npm ${args.join(' ')} failed in benchmark/`, { cause: run.error });
}

function broken() {
  const require = createRequire(new URL('../package.json', import.meta.url));
  return Object.entries(ADDONS).flatMap(([name, tryIt]) => {
    try {
      tryIt(require(name));
      return [];
    } catch {
      return [name];
    }
  });
}

export function installPeers() {
  if (!existsSync(`${HERE}node_modules`)) {
    process.stderr.write('Installing the peers (once) ...\n');
    npm('ci', '--no-audit', '--no-fund');
  }
  const missing = broken();
  if (missing.length === 0) return;
  process.stderr.write(`Building ${missing.join(', ')} ...\n`);
  npm('rebuild', ...missing);
}
