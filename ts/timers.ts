import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

// Timers and clocks are read once, and from Node's modules: test frameworks replace the global ones with some that
// never fire, and the global ones of a simulated browser (jsdom) lack `setImmediate` and give numbers.

export const { setImmediate, setTimeout, clearTimeout, setInterval, clearInterval } = timers;

/** Milliseconds since 1970. */
export const wallClock = Date.now;

/** Milliseconds since some moment. They never go back. */
export const elapsed: () => number = performance.now.bind(performance);

/** Resolves after `delay` milliseconds. */
export function sleep(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay));
}
