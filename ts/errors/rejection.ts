import { addContext, isStorageError } from './storage-error.js';
import type { ErrorContext } from './storage-error.js';

/** A promise rejected with what was thrown; an error of ours learns where it arose. */
export function rejection(thrown: unknown, context?: ErrorContext): Promise<never> {
  if (context !== undefined && isStorageError(thrown)) addContext(thrown, context);
  const error = thrown as Error; // whatever a user's code threw goes on as it is
  return Promise.reject(error);
}
