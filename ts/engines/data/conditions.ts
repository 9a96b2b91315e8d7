import { isStorageError } from '../../errors/storage-error.js';

// A transaction checks conditions against the one moment that it reads, so they fail again however often it is retried.
const failedConditions = new WeakSet<object>();

/** Notes that a CONFLICT of `written`, a conditional write in a transaction, is about its own conditions. */
export function noteFailedConditions<T>(written: Promise<T>): Promise<T> {
  return written.catch((error: unknown) => {
    if (isStorageError(error) && error.code === 'CONFLICT') failedConditions.add(error);
    throw error;
  });
}

/** Whether a condition that was given to a call in a transaction did not hold. */
export function isFailedCondition(error: object): boolean {
  return failedConditions.has(error);
}
