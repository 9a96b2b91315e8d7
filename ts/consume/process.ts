import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import type { Holder } from './calls.js';

let identity: string | undefined;

/** Names the machine and the process namespace in which the identifier of this process is valid. */
export function host(): string {
  return (identity ??= linuxHost() ?? otherHost());
}

/** Whether the process of a holder is known to have ended. One of another host or namespace is not known. */
export function hasEnded({ host: theirs, pid, own }: Holder): boolean {
  if (own || theirs !== host()) return false;
  // The identifier was given to this process after that one had ended.
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function linuxHost(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

// A name of a machine may be taken twice, an address of hardware is not.
function otherHost(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const hardware = addresses.filter(({ internal }) => !internal).map(({ mac }) => mac);
  return `${hostname()}/${hardware.toSorted()[0] ?? Math.random()}`;
}
