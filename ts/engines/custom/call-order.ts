/**
 * Runs the calls to an engine one at a time, in the order they were made. While the engine is being connected or disconnected,
 * calls wait for that; what belongs to it (finishing transactions) passes them.
 */
export class CallOrder {
  #last: Promise<unknown> = Promise.resolve();
  #passing: Promise<unknown> | undefined;

  /** Runs behind everything made before. */
  run<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(call);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Runs for the core: the same, but past the calls that wait for a change that is under way. */
  pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#passing === undefined) return this.run(call);
    const result = this.#passing.then(call);
    this.#passing = result.catch(() => {});
    return result;
  }

  /**
   * Runs a part of a change: every call made from now on waits for the change by itself.
   *
   * @param behind - Whether calls made before are still to be run.
   */
  async change(behind: boolean, part: () => Promise<void>): Promise<void> {
    this.#passing = behind ? this.#last : Promise.resolve();
    try {
      await part();
    } finally {
      await this.#passing;
      this.#passing = undefined;
    }
  }
}
