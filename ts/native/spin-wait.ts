import { availableParallelism } from 'node:os';
import { elapsed, setImmediate } from '../timers.js';
import { isAlone, settle } from './calls.js';
import { nativeSession } from './environment.js';
import type { NativeStore } from './interface.js';

/** The most microseconds that one wait lasts. The event loop stands still meanwhile. */
const LONGEST = 400;
/** Calls that take more microseconds than this on average are not waited for. */
const SHORT = 300;
/** How many calls are left to the event loop after calls were found to be long. */
const REST = 256;

// With one core there is no other thread that could get on with the work.
const canSpin = availableParallelism() > 1;

/**
 * Waits for the end of a short call without sleeping. A commit with its sync takes 150 us on a fast disk. Waking the
 * thread that makes it, and then this one, takes half as long again. Only a call that is alone is waited for, and only
 * once the event loop has turned, so that calls made together share a sync; and only where the last calls were short.
 */
export class SpinWait {
  #average = 0;
  #resting = 0;
  #since = 0;
  #planned = false;

  /** A call was queued. */
  queued(): void {
    if (!canSpin || this.#planned || !isAlone()) return;
    if (this.#resting > 0) {
      this.#resting--;
      return;
    }
    this.#planned = true;
    this.#since = elapsed();
    setImmediate(this.#spin);
  }

  readonly #spin = (): void => {
    this.#planned = false;
    if (!isAlone()) return;
    const done = nativeSession().look(LONGEST);
    const took = (elapsed() - this.#since) * 1000;
    this.#average += (took - this.#average) / 8;
    if (this.#average > SHORT) {
      this.#average = 0;
      this.#resting = REST;
    }
    if (done !== undefined) settle(...done);
  };
}

/** The wait for calls of a store; undefined for one whose calls go to a server or to JavaScript and are never short. */
export function spinWaitFor(store: NativeStore): SpinWait | undefined {
  const { sync } = JSON.parse(store.capabilities) as { sync: boolean };
  return sync ? new SpinWait() : undefined;
}
