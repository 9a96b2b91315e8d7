/**
 * Names the machine and the versions a figure belongs to.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

const read = (relative) => JSON.parse(readFileSync(new URL(relative, import.meta.url), 'utf8'));

function redisVersion() {
  try {
    return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined;
  }
}

export function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    node: process.version,
  };
}

/** Holdfast's version (absent when only peers are measured), each peer's as installed, and the server's. */
export function versions({ peersOnly }) {
  const peers = Object.keys(read('../package.json').dependencies);
  return {
    ...(!peersOnly && { holdfast: read('../../package.json').version }),
    ...Object.fromEntries(peers.map((name) => [name, read(`../node_modules/${name}/package.json`).version])),
    'redis-server': redisVersion(),
  };
}
