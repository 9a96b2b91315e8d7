import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The files or URLs of all copies of the package that this one stands for (scripts/lib/one-instance.mjs). */
declare const PLACES: readonly unknown[];

/**
 * The files in which our code lies, the running one first. Where a bundler leaves no trace of them, or only the place
 * that our code had when it was bundled, the program that runs stands for it.
 */
export function places(): string[] {
  const known = [...new Set(PLACES.map(toPath))].filter((path) => path !== null);
  if (known.some((path) => existsSync(path))) return known;
  const program = toPath(process.argv[1]);
  return program === null ? known : [program, ...known];
}

function toPath(place: unknown): string | null {
  if (typeof place !== 'string') return null;
  try {
    // node -e has a global __filename, which is no path.
    return isAbsolute(place) ? place : fileURLToPath(place);
  } catch {
    return null; // no URL of a file
  }
}

/** The folder of the package that `file` lies in; null if a bundler has moved our code out of the package. */
export function packageFolder(file: string): string | null {
  const folder = [join(dirname(file), '..'), join(dirname(file), '..', '..')].find((parent) =>
    existsSync(join(parent, 'package.json')),
  );
  return folder !== undefined && nameIn(folder) === 'holdfast' ? folder : null;
}

function nameIn(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}
