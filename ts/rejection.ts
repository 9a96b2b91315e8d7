import { addContext, isStorageError } from './errors.js';
import type { ErrorContext } from './errors.js';

/** A promise rejected with what was thrown; an error of ours learns where it arose. */
export function rejection(thrown: unknown, context?: ErrorContext): Promise<never> {
  if (context !== undefined && isStorageError(thrown)) addContext(thrown, context);
  const error = thrown as Error; // whatever a user's code threw goes on as it is
  return Promise.reject(error);
}
