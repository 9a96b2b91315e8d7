/**
 * Who of many functions that run in transactions goes first. One at a time, for as long as that one goes on within a turn of the event
 * loop: where an engine answers at once, transactions begun together so run one behind the other, each with the last one's
 * writes before it, and do not conflict. Whoever waits for anything else lets all others begin, so that none waits for another for long.
 */
export class Turns {
  /** The turn that others wait for. */
  #current: (() => void) | undefined;
  #waiting: (() => void)[] = [];

  /** Gives what ends the turn, once it is one's own. */
  take(): (() => void) | Promise<() => void> {
    if (this.#current === undefined) return this.#begin();
    return new Promise((resolve) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#beginAll());
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
    return end;
  }

  #beginAll(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const begin of all) begin();
    this.#current = undefined;
  }
}
