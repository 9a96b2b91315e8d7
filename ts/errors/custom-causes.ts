import { isError } from './is-error.js';

// Errors that custom engines throw, on their way through the core.
//
// The core keeps the cause of an error as a text, which it returns unchanged and never reads. So the facade keeps the
// thrown object here under that text, and puts it back when the text returns.

/** A returned text may belong to any of the calls under way, and the core may return one several times. */
const MOST_KEPT = 64;
const PREFIX = 'thrown by a custom engine, number ';

const kept = new Map<string, unknown>();
let last = 0;

/** Keeps what a custom engine threw, and returns the text that the core gets in its place. */
export function keepCause(cause: unknown): string {
  const text = `${PREFIX}${++last}: ${isError(cause) ? cause.message : 'an error of its own'}`;
  kept.set(text, cause);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value!);
  return text;
}

/** The object that was kept under a text of the core; for any other text an Error with that message. */
export function causeOf(text: string): unknown {
  if (!text.startsWith(PREFIX)) return new Error(text);
  return kept.has(text) ? kept.get(text) : new Error(text.slice(text.indexOf(': ') + 2));
}
