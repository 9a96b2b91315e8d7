import { refused } from '../answers.js';
import { addContext, isStorageError } from './storage-error.js';
import type { ErrorContext } from './storage-error.js';

/** A promise that is rejected with what was thrown. `context` is added to a StorageError. */
export function rejection(thrown: unknown, context?: ErrorContext): Promise<never> {
  if (context !== undefined && isStorageError(thrown)) addContext(thrown, context);
  return refused(thrown);
}
