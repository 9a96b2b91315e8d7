import { checkKey, checkWritableKey } from '../../arguments/keys.js';
import { StorageError } from '../../errors/storage-error.js';
import type { Step } from '../data/batch.js';

/**
 * Keys of a custom engine that start with this belong to the library. The built-in engines have a keyspace for them.
 */
const OURS = '.holdfast~';

export function isOurs(key: string): boolean {
  return key.startsWith(OURS);
}

/** Throws unless users may read `key` in a custom engine. */
export function checkUserKey(key: unknown, operation: string): asserts key is string {
  checkKey(key, operation);
  refuseOurs(key, operation);
}

/** Throws unless users may write `key` there. */
export function checkUserWrite(key: unknown, operation: string): asserts key is string {
  checkWritableKey(key, operation);
  refuseOurs(key, operation);
}

/** Throws unless users may write the keys of all steps there. */
export function checkUserSteps(steps: readonly Step[], operation: string): void {
  for (const step of steps) if (step.type !== 'deleteRange') refuseOurs(step.key, operation);
}

function refuseOurs(key: string, operation: string): void {
  if (isOurs(key))
    throw new StorageError('INVALID_KEY', `Keys that start with ${OURS} belong to the library`, { key, operation });
}
