import { BRAND } from './brand.js';

// The stack of an error shows the line of the caller. An error that is made while the caller's code runs has it among
// its frames. One that comes later gets it from V8, which follows the promises from the running job to the functions
// that wait for them. Both cost nothing as long as nothing fails.

/** How many frames of ours may lie above the caller's. They come on top of the number that the application asks for. */
const OWN_FRAMES = 20;

// V8's, also in Bun and Deno. Elsewhere errors keep the stack that they have.
const captures = typeof (Error as Partial<ErrorConstructor>).captureStackTrace === 'function';

/** Lets the next stack be so deep that our frames leave room for the caller's. Returns what takes that back. */
export function deepenStack(): number | undefined {
  const { stackTraceLimit } = Error;
  if (typeof stackTraceLimit === 'number' && stackTraceLimit > 0) setLimit(stackTraceLimit + OWN_FRAMES);
  return stackTraceLimit;
}

/** Sets the depth of stacks, unless the application has frozen it. */
export function setLimit(limit: number | undefined): void {
  Reflect.set(Error, 'stackTraceLimit', limit);
}

/** Takes the stack of an error anew. It then also shows the message that the error has now. */
export function retrace<E extends object>(error: E, above: (...given: never[]) => unknown = retrace): E {
  const limit = deepenStack();
  if (captures) Error.captureStackTrace(error, above);
  setLimit(limit);
  return error;
}

/** Errors that an engine of the user's own has thrown. Their stacks show where. */
const foreign = new WeakSet<object>();

export function markForeign(error: object): void {
  foreign.add(error);
}

function addCaller(error: Error): void {
  foreign.delete(error); // once is enough
  const { stack } = retrace<{ stack?: unknown }>({}, addCaller);
  if (typeof stack !== 'string' || typeof error.stack !== 'string') return;
  const frames = stack.indexOf('\n');
  if (frames >= 0) error.stack += stack.slice(frames);
}

const NOW = Promise.resolve();

/**
 * A promise that rejects with an error that was not made while the caller's code ran. It does so a little later, when
 * the promise has been passed on to those who wait for it, so that the stack can show them.
 */
export function rejectedLater(error: unknown): Promise<never> {
  return NOW.then(() => {}).then(() => {
    throw withCaller(error);
  });
}

/** Gives an error of ours a stack that shows who waits for the running job. */
export function withCaller(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error;
  if (foreign.has(error)) addCaller(error as Error);
  else if (BRAND in error) retrace(error, withCaller);
  return error;
}
