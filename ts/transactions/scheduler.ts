import { isGivingWay } from '../answers.js';
import { setImmediate } from '../timers.js';

/** How many turns in which answers give way a function may take before the others begin. */
const MOST_PASSED = 8;

/**
 * Lets functions in transactions take turns. One function runs at a time, for as long as it goes on within one turn of
 * the event loop. Where an engine answers at once, transactions begun together so run one behind the other: each reads
 * the writes of the one before, and they do not conflict. A function that waits for anything else lets all others
 * begin, so that none waits for another for long (docs/decisions/0012-turns-of-transactions.md).
 */
export class Scheduler {
  /** Ends the turn that others wait for. */
  #current: (() => void) | undefined;
  #waiting: (() => void)[] = [];
  /** How many turns of the event loop the waiting functions have let pass. */
  #passed = 0;

  /** Gives the function that ends the turn, once the caller has it. */
  take(): (() => void) | Promise<() => void> {
    if (this.#current === undefined) return this.#begin();
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) setImmediate(this.#turned);
      this.#waiting.push(() => resolve(this.#begin()));
    });
  }

  #begin(): () => void {
    const end = (): void => {
      if (this.#current !== end) return;
      this.#current = undefined;
      this.#waiting.shift()?.();
    };
    this.#current = end;
    this.#passed = 0;
    return end;
  }

  readonly #turned = (): void => {
    // Where answers give way, the function that goes on waits for nothing but the event loop.
    if (isGivingWay() && ++this.#passed < MOST_PASSED) setImmediate(this.#turned);
    else this.#beginAll();
  };

  #beginAll(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const begin of all) begin();
    this.#current = undefined;
  }
}
