import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';

/** The items of an iterable. Throws for a string and for anything that is not iterable. */
export function iterated(items: unknown, operation: string, what: string): unknown[] {
  if (Array.isArray(items)) return items as unknown[];
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return [...(items as Iterable<unknown>)];
  const hint = operation === 'deleteMany' ? '; clear takes a glob or a range' : '';
  throw new StorageTypeError(
    `Expected ${operation} to be given an iterable of ${what}, got ${describeKind(items)}${hint}`,
  );
}

/** The keys of an iterable, each of them checked by `check`. */
export function keyList(keys: unknown, operation: string, check: (key: unknown, operation: string) => void): string[] {
  const list = iterated(keys, operation, 'keys');
  for (const key of list) check(key, operation);
  return list as string[];
}

/** Throws unless `entry` is an array of two items. */
export function checkPair(entry: unknown, operation: string): asserts entry is [unknown, unknown] {
  if (!Array.isArray(entry) || entry.length !== 2) {
    throw new StorageTypeError(
      `Expected each entry of ${operation} to be a [key, value] pair, got ${describeKind(entry)}`,
    );
  }
}
