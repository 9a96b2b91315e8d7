import { availableParallelism } from 'node:os';
import { isAlone, settle } from './calls.js';
import { nativeSession } from './environment.js';

/** Microseconds that a look lasts at most: the event loop stands still meanwhile. */
const LONGEST = 400;
/** Microseconds: calls that take longer on average are not looked for. */
const SHORT = 300;
/** Calls that go by before the next look, once they were found to be long. */
const REST = 256;

// With one core there is nobody else to get on with the work.
const canLook = availableParallelism() > 1;

/**
 * Looks for the end of a call instead of sleeping until it is woken. A commit with its sync takes 150 us on a fast disk, and to wake the thread
 * that makes it, then this one, with all that has left their caches, half as long again. Only a call that is alone is looked for, once the event loop has turned,
 * so that calls made together share a sync; and only where the last ones were short.
 */
export class Lookout {
  #average = 0;
  #resting = 0;
  #since = 0;
  #planned = false;

  /** A call was queued. */
  queued(): void {
    if (!canLook || this.#planned || !isAlone()) return;
    if (this.#resting > 0) {
      this.#resting--;
      return;
    }
    this.#planned = true;
    this.#since = performance.now();
    setImmediate(this.#look);
  }

  readonly #look = (): void => {
    this.#planned = false;
    if (!isAlone()) return;
    const done = nativeSession().look(LONGEST);
    const took = (performance.now() - this.#since) * 1000;
    this.#average += (took - this.#average) / 8;
    if (this.#average > SHORT) {
      this.#average = 0;
      this.#resting = REST;
    }
    if (done !== undefined) settle(...done);
  };
}
