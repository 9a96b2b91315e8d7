import { StorageError } from './errors/storage-error.js';

/** The rejection of a call whose signal fired. `cause` is the signal's reason. */
export function abortError(signal: AbortSignal, engine: string | undefined, operation: string): StorageError {
  return new StorageError('ABORTED', `The call of ${operation} was aborted`, {
    engine,
    operation,
    cause: signal.reason,
  });
}

// One listener a signal, however many calls share it: Node warns of a leak from the eleventh on.
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

function onAbort(this: AbortSignal): void {
  const calls = waiting.get(this);
  waiting.delete(this);
  for (const abort of calls ?? []) abort();
}

function watch(signal: AbortSignal, abort: () => void): void {
  let calls = waiting.get(signal);
  if (calls === undefined) {
    calls = new Set();
    waiting.set(signal, calls);
    signal.addEventListener('abort', onAbort, { once: true });
  }
  calls.add(abort);
}

/** The last call to end takes the listener with it, so that a long-lived signal holds nothing. */
function unwatch(signal: AbortSignal, abort: () => void): void {
  const calls = waiting.get(signal);
  if (calls?.delete(abort) === true && calls.size === 0) {
    waiting.delete(signal);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Calls `abort` once if `signal` fires. Gives what forgets it again. */
export function whenAborted(signal: AbortSignal, abort: () => void): () => void {
  watch(signal, abort);
  return () => unwatch(signal, abort);
}

/**
 * What `start` promises, unless `signal` fires first: then `cancel` is told, and the promise rejects with ABORTED. An
 * already aborted signal starts nothing.
 */
export function abortable<T>(
  signal: AbortSignal | undefined,
  engine: string | undefined,
  operation: string,
  start: () => Promise<T>,
  cancel: (error: StorageError) => void,
): Promise<T> {
  if (signal === undefined) return start();
  if (signal.aborted) return Promise.reject(abortError(signal, engine, operation));
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      const error = abortError(signal, engine, operation);
      reject(error);
      cancel(error);
    };
    watch(signal, abort);
    start().then(
      (value) => {
        unwatch(signal, abort);
        resolve(value);
      },
      (error: Error) => {
        unwatch(signal, abort);
        reject(error);
      },
    );
  });
}
