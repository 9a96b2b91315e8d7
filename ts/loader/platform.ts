import { closeSync, openSync, readSync } from 'node:fs';

/** The platforms with a prebuilt addon. The packages under npm/ have these names. */
export const platformIds = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
] as const;

/** The name of this machine's platform, which need not be one of {@link platformIds}. */
export function currentPlatform(): string {
  const { platform, arch } = process;
  if (platform === 'linux') return `linux-${arch}-${isMusl() ? 'musl' : 'gnu'}`;
  if (platform === 'win32') return `win32-${arch}-msvc`;
  return `${platform}-${arch}`;
}

/** Whether this process uses musl: an addon has to use the C library of the process that loads it. */
function isMusl(): boolean {
  const interpreter = elfInterpreter(process.execPath);
  if (interpreter !== null) return interpreter.includes('/ld-musl-');
  // The report looks up host names by default, which can take seconds.
  const { report } = process as { report?: NodeJS.ProcessReport & { excludeNetwork?: boolean } };
  if (!report) return false;
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header !== undefined && header.glibcVersionRuntime === undefined;
  } finally {
    report.excludeNetwork = before;
  }
}

/**
 * The dynamic linker that an ELF64 program names in its PT_INTERP segment; null for any other file. Source: System V
 * ABI, "Program Header".
 */
export function elfInterpreter(file: string): string | null {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return null;
  }
  try {
    const read = (position: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(descriptor, buffer, 0, length, position));
    };
    const header = read(0, 64);
    const littleEndian64 =
      header.length === 64 && header.readUInt32BE(0) === 0x7f454c46 && header[4] === 2 && header[5] === 1;
    if (!littleEndian64) return null;
    const size = header.readUInt16LE(54);
    const count = header.readUInt16LE(56);
    const segments = read(Number(header.readBigUInt64LE(32)), size * count);
    for (let at = 0; size >= 56 && at + size <= segments.length; at += size) {
      if (segments.readUInt32LE(at) !== 3) continue;
      const length = Math.min(Number(segments.readBigUInt64LE(at + 32)), 4096);
      return read(Number(segments.readBigUInt64LE(at + 8)), length)
        .toString('latin1')
        .replace(/\0.*$/s, '');
    }
    return null;
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}
