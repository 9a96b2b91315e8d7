import { randomUUID } from 'node:crypto';
import { elapsed } from '../timers.js';
import type { ConsumerCalls } from './calls.js';
import { hasEnded, host } from './process.js';
import { pause } from './waiting.js';

/** How often a consumer that stands by looks, in milliseconds. */
const LOOK = 1_000;

/**
 * The claim of a consumer to its name. It is taken from a holder that has stopped, that is known to have ended, or that
 * gave no sign of life for its session timeout: by the clock of the one who waits, so that clocks need not agree.
 */
export class NameClaim {
  #token: string | undefined;
  #term: AbortController | undefined;

  constructor(
    private readonly calls: ConsumerCalls,
    private readonly timeout: number,
  ) {}

  /** Fires when the name is lost, or when the consumer is being stopped. */
  get signal(): AbortSignal {
    return (this.#term ??= new AbortController()).signal;
  }

  get isHeld(): boolean {
    return this.#token !== undefined && this.#term?.signal.aborted === false;
  }

  /**
   * Waits until the name is taken. Gives the cursor; undefined if `stopping` fired before.
   *
   * @param onStandby - Is told the cursor of the one at work.
   */
  async take(stopping: AbortSignal, onStandby: (cursor: string | null) => void): Promise<string | null | undefined> {
    // A claim whose answer was lost is made again with the same token, which finds itself.
    const token = (this.#token ??= randomUUID());
    let seen: { token: string; beat: number; at: number } | undefined;
    let dead: { token: string; beat: number } | undefined;
    while (!stopping.aborted) {
      const claim = { token, host: host(), pid: process.pid, timeout: this.timeout, dead };
      const { cursor, holder } = await this.calls.claim(claim);
      if (holder === null) {
        this.#term = new AbortController();
        return cursor;
      }
      onStandby(cursor);
      const { token: theirs, beat } = holder;
      if (seen?.token !== theirs || seen.beat !== beat) seen = { token: theirs, beat, at: elapsed() };
      const isDead = hasEnded(holder) || elapsed() - seen.at >= holder.timeout;
      dead = isDead ? { token: theirs, beat } : undefined;
      if (!isDead) await pause(Math.min(LOOK, holder.timeout / 3), stopping);
    }
    this.#token = undefined;
    return undefined;
  }

  /** Gives a sign of life, and writes the cursor if there is one. False if the name is lost. */
  async keep(cursor?: string): Promise<boolean> {
    const token = this.#token;
    if (token === undefined) return false;
    const held = await this.calls.keep(token, cursor);
    if (!held && token === this.#token) this.#lose();
    return held;
  }

  /** Lets those who work under the name stop. */
  end(): void {
    this.#term?.abort();
  }

  /** Gives the name up. */
  async release(): Promise<void> {
    const token = this.#token;
    this.#lose();
    if (token !== undefined) await this.calls.release(token);
  }

  #lose(): void {
    this.#token = undefined;
    this.#term?.abort();
  }
}
