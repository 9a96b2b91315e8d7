import { StorageError } from './errors.js';

/** The rejection of a call whose signal fired. `cause` is the signal's reason. */
export function abortError(signal: AbortSignal, engine: string | undefined, operation: string): StorageError {
  return new StorageError('ABORTED', `The call of ${operation} was aborted`, { engine, operation, cause: signal.reason });
}

/**
 * What `start` promises, unless `signal` fires first: then `cancel` is told, and the promise rejects with ABORTED. An
 * already aborted signal starts nothing.
 */
export function abortable<T>(
  signal: AbortSignal | undefined, engine: string | undefined, operation: string, start: () => Promise<T>, cancel: (error: StorageError) => void,
): Promise<T> {
  if (signal === undefined) return start();
  if (signal.aborted) return Promise.reject(abortError(signal, engine, operation));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      signal.removeEventListener('abort', onAbort);
      const error = abortError(signal, engine, operation);
      reject(error);
      cancel(error);
    };
    signal.addEventListener('abort', onAbort);
    start().then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: Error) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}
