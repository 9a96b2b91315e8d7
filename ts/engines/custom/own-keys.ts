import { checkKey, checkWritableKey } from '../../arguments/keys.js';
import { StorageError } from '../../errors/storage-error.js';
import type { Step } from '../data/batch.js';

/** Keys that start with this are the library's in an engine of a user's: what other engines keep in a space apart. */
const OURS = '.holdfast~';

export function isOurs(key: string): boolean {
  return key.startsWith(OURS);
}

/** Throws unless `key` may be read in an engine of a user's. */
export function checkUserKey(key: unknown, operation: string): asserts key is string {
  checkKey(key, operation);
  refuseOurs(key, operation);
}

/** Throws unless `key` may be written there. */
export function checkUserWrite(key: unknown, operation: string): asserts key is string {
  checkWritableKey(key, operation);
  refuseOurs(key, operation);
}

/** Throws unless the steps of a batch may be made there. */
export function checkUserSteps(steps: readonly Step[], operation: string): void {
  for (const { key } of steps) refuseOurs(key, operation);
}

function refuseOurs(key: string, operation: string): void {
  if (isOurs(key))
    throw new StorageError('INVALID_KEY', `Keys that start with ${OURS} belong to the library`, { key, operation });
}
