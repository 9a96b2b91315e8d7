/**
 * Runs the calls to a custom engine one at a time, in the order in which they were made. Calls wait while the engine is
 * being connected or disconnected. The core's calls that belong to that change, such as finishing transactions, pass
 * them.
 */
export class CallOrder {
  #last: Promise<unknown> = Promise.resolve();
  #passing: Promise<unknown> | undefined;

  /** Runs a call after all calls made before. */
  run<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Runs a call of the core's. While a change is under way, it passes the calls that wait for the change. */
  pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#passing === undefined) return this.run(call);
    const result = this.#passing.then(call);
    this.#passing = result.catch(() => {});
    return result;
  }

  /**
   * Runs a change. Every call made from now on waits for the change by itself.
   *
   * @param behind - Whether the calls made before run first.
   */
  async change(behind: boolean, run: () => Promise<void>): Promise<void> {
    this.#passing = behind ? this.#last : Promise.resolve();
    try {
      await run();
    } finally {
      await this.#passing;
      this.#passing = undefined;
    }
  }
}
