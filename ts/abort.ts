import { refused } from './answers.js';
import { rejectedLater } from './errors/stack.js';
import { StorageError } from './errors/storage-error.js';

/** The error of a call whose signal fired. Its `cause` is the signal's reason. */
export function abortError(signal: AbortSignal, engine: string | undefined, operation: string): StorageError {
  return new StorageError('ABORTED', `The call of ${operation} was aborted`, {
    engine,
    operation,
    cause: signal.reason,
  });
}

// Each signal has one listener, however many calls share the signal: Node warns of a leak from the eleventh on.
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

/** The last call that ends removes the listener, so that a long-lived signal holds nothing. */
function unwatch(signal: AbortSignal, abort: () => void): void {
  const calls = waiting.get(signal);
  if (calls?.delete(abort) === true && calls.size === 0) {
    waiting.delete(signal);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Calls `abort` once if `signal` fires. The function that it returns takes that back. */
export function whenAborted(signal: AbortSignal, abort: () => void): () => void {
  watch(signal, abort);
  return () => unwatch(signal, abort);
}

/**
 * Starts a call and returns its promise. If `signal` fires before the call ends, the promise rejects with ABORTED and
 * `cancel` is called. A signal that has fired already starts nothing.
 */
export function abortable<T>(
  signal: AbortSignal | undefined,
  engine: string | undefined,
  operation: string,
  start: () => Promise<T>,
  cancel: (error: StorageError) => void,
): Promise<T> {
  if (signal === undefined) return start();
  if (signal.aborted) return refused(abortError(signal, engine, operation));
  return new Promise((resolve) => {
    let isAborted = false;
    const abort = (): void => {
      isAborted = true;
      const error = abortError(signal, engine, operation);
      resolve(rejectedLater(error));
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
        if (!isAborted) resolve(rejectedLater(error));
      },
    );
  });
}
