// Which command installs what is missing, on this machine.
import { existsSync, readFileSync } from 'node:fs';
import { which } from './run.mjs';

const commands = {
  compiler: {
    'apt-get': 'apt-get install -y build-essential',
    dnf: 'dnf install -y gcc-c++ make',
    apk: 'apk add build-base',
    pacman: 'pacman -S --needed base-devel',
    zypper: 'zypper install -y gcc-c++ make',
    darwin: 'xcode-select --install',
    win32:
      'winget install Microsoft.VisualStudio.2022.BuildTools --override "--add Microsoft.VisualStudio.Workload.VCTools --passive"',
  },
  libclang: {
    'apt-get': 'apt-get install -y libclang-dev',
    dnf: 'dnf install -y clang-devel',
    apk: 'apk add clang-dev',
    pacman: 'pacman -S --needed clang',
    zypper: 'zypper install -y clang-devel',
    darwin: 'xcode-select --install',
    win32: 'winget install LLVM.LLVM',
  },
  redis: {
    'apt-get': 'apt-get install -y redis-server',
    dnf: 'dnf install -y redis',
    apk: 'apk add redis',
    pacman: 'pacman -S --needed redis',
    zypper: 'zypper install -y redis',
    darwin: 'brew install redis',
    win32: 'Redis has no native Windows build: run it under WSL and set REDIS_URL.',
  },
  rust: {
    win32: 'winget install Rustlang.Rustup',
    any: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y",
  },
};

/** The command to run, with sudo where it needs root. */
export function installCommand(what) {
  const known = commands[what];
  if (known[process.platform]) return known[process.platform];
  if (known.any) return known.any;
  const manager = Object.keys(known).find((name) => which(name));
  if (!manager) return `Install it with your system's package manager (on Debian: ${known['apt-get']}).`;
  return process.getuid?.() === 0 ? known[manager] : `sudo ${known[manager]}`;
}

/** Whether this is Debian (or a descendant) and we may install packages. */
export function isDebianRoot() {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !which('apt-get')) return false;
  if (!existsSync('/etc/os-release')) return false;
  return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));
}
