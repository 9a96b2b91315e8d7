// Runs the files of programs/ folders in processes of their own. child.mjs is the other side: it has their arguments
// and what they say to the test.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const TIMEOUT = 60_000;

const commandOf = (file, args) => [fileURLToPath(file), JSON.stringify(args)];
// Text behind the last line break was cut off by the end of the program: it counts as not said.
const parse = (text) =>
  text
    .split('\n')
    .slice(0, -1)
    .filter(Boolean)
    .map((line) => JSON.parse(line));

/** Runs a program, which has to end by itself with exit code 0. Gives what it said, in order. */
export async function program(file, args = {}, options = {}) {
  const { stdout } = await promisify(execFile)(process.execPath, commandOf(file, args), {
    timeout: TIMEOUT,
    ...options,
  });
  return parse(stdout);
}

/** Runs a program that may end in any way. Gives what it said, its exit code, its signal and its stderr. */
export function ending(file, args = {}) {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      commandOf(file, args),
      { timeout: TIMEOUT, maxBuffer: Infinity },
      (error, stdout, stderr) => {
        try {
          resolve({
            said: parse(stdout),
            code: error === null ? 0 : error.code,
            signal: error?.signal ?? null,
            stderr,
          });
        } catch {
          reject(new Error(`What the program said cannot be read: ${JSON.stringify(stdout.slice(-200))} ${error}`));
        }
      },
    );
  });
}

/**
 * Starts a program that goes on while the test does. `next()` is the next thing it says, `end()` closes its stdin,
 * `kill()` kills it, `signal(name)` sends it a signal.
 */
export function running(t, file, args = {}) {
  const child = spawn(process.execPath, commandOf(file, args), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const stop = async (how) => {
    how();
    await ended;
  };
  t.teardown(() => stop(() => child.kill('SIGKILL')));
  return {
    async next() {
      const { value, done } = await lines.next();
      if (done) throw new Error('the program ended early');
      return JSON.parse(value);
    },
    end: () => stop(() => child.stdin.end()),
    kill: () => stop(() => child.kill('SIGKILL')),
    signal: (name) => child.kill(name),
  };
}

/**
 * Runs a program where `folder`, which it gets as an argument, is a disk of `size`: a tmpfs in a mount namespace, made
 * as root or as root of a user namespace. The program may remount it. Linux only.
 */
export async function onSmallDisk(file, folder, size, args = {}) {
  const enter = isRoot() ? [] : ['--map-root-user'];
  const mount = 'mount -t tmpfs -o "size=$2" tmpfs "$1" && shift 2 && exec "$@"';
  const command = [
    ...enter,
    '--mount',
    'sh',
    '-c',
    mount,
    'sh',
    folder,
    size,
    process.execPath,
    ...commandOf(file, { ...args, folder }),
  ];
  try {
    const { stdout } = await promisify(execFile)('unshare', command, { timeout: TIMEOUT });
    return parse(stdout);
  } catch (error) {
    if (error.stdout) throw new Error(`${error.stdout}\n${error.stderr}`, { cause: error });
    throw new Error(
      `This test needs unshare(1) and the right to mount a tmpfs (root, or user namespaces): ${error.stderr}`,
      { cause: error },
    );
  }
}

// Real root, not that of a user namespace, may read this.
function isRoot() {
  try {
    readFileSync('/proc/1/environ');
    return true;
  } catch {
    return false;
  }
}
