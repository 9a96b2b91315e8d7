import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Problem } from './console.mjs';
import { root } from './paths.mjs';

const windows = process.platform === 'win32';

/** npm is a .cmd file on Windows, which only a shell can start. */
const needsShell = (command) => windows && /^(npm|npx)$/.test(command);

/**
 * Runs a command, its output shown as it comes, and rejects with a Problem unless it ends with 0.
 * With `tee`, the output is also collected and returned.
 */
export function run(command, args, { cwd = root, env = process.env, tee = false, allowFailure = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      shell: needsShell(command),
      stdio: ['ignore', tee ? 'pipe' : 'inherit', tee ? 'pipe' : 'inherit'],
    });
    const chunks = [];
    if (tee) {
      child.stdout.on('data', (chunk) => (chunks.push(chunk), process.stdout.write(chunk)));
      child.stderr.on('data', (chunk) => (chunks.push(chunk), process.stderr.write(chunk)));
    }
    child.on('error', (error) => reject(new Problem(`cannot start ${command}: ${error.message}`)));
    child.on('close', (code, signal) => {
      const output = Buffer.concat(chunks).toString('utf8');
      if (code === 0 || allowFailure) resolve({ code, signal, output });
      else reject(new Problem(`${[command, ...args].join(' ')} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** The trimmed standard output of a short command, or null when it cannot run or fails. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
    shell: needsShell(command),
    ...options,
  });
  return result.status === 0 ? result.stdout.trim() : null;
}

/** The full path of a program on PATH, or null. */
export function which(program, env = process.env) {
  const suffixes = windows ? (env.PATHEXT ?? '.EXE;.CMD').split(';') : [''];
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    for (const suffix of suffixes) {
      const candidate = join(folder || '.', program + suffix);
      try {
        accessSync(candidate, constants.X_OK);
        if (statSync(candidate).isFile()) return candidate;
      } catch {
        continue;
      }
    }
  }
  return null;
}
