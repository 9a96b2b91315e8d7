// Read once, because test frameworks replace it with one that never runs.
const { queueMicrotask } = globalThis;

/**
 * Calls a listener of the user's. What it throws becomes an uncaught exception of its own, so that it breaks neither
 * the call that it listens to nor other calls that are settled with it.
 */
export function callListener<A extends unknown[]>(listener: (...given: A) => unknown, ...given: A): void {
  try {
    listener(...given);
  } catch (error) {
    throwApart(error);
  }
}

/** Throws where nobody can catch it. */
export function throwApart(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
