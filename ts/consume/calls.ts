import { itself } from '../native/results.js';
import type { StoreLease } from '../native/store-lease.js';

/** The consumer at work under a name, with its latest sign of life. */
export interface Holder {
  readonly token: string;
  readonly beat: number;
  readonly host: string;
  readonly pid: number;
  /** After how many milliseconds without a sign of life it counts as dead. */
  readonly timeout: number;
  /** Whether it is in this process. */
  readonly own: boolean;
}

/** What a consumer says of itself when it claims the name. */
export interface Claim extends Pick<Holder, 'token' | 'host' | 'pid' | 'timeout'> {
  /** The sign of a holder that is known to be dead. */
  readonly dead: Pick<Holder, 'token' | 'beat'> | undefined;
}

/** The answer to a claim. */
export interface Claimed {
  readonly cursor: string | null;
  /** The one at work, if the claim failed. */
  readonly holder: Holder | null;
}

/** The answer to an advance. */
export interface Advanced {
  readonly cursor: string;
  readonly lag: number;
}

/**
 * The calls of a consumer to its store (`core/src/model/consumer/`). They go to one use of the store, so that none of
 * them opens the store again once it was disconnected.
 */
export class ConsumerCalls {
  /** The writes of the record, one after the other, so that an older cursor never comes behind a newer one. */
  #writes: Promise<unknown> = Promise.resolve();

  constructor(
    readonly lease: StoreLease,
    private readonly name: string,
  ) {}

  /** The cursor behind everything that was requested before. */
  mark(): Promise<string> {
    const { lease } = this;
    return lease.queue('consume', undefined, itself<string>, (id) => lease.store.submitMark(id));
  }

  /** The cursor behind which the change log begins. */
  async earliest(): Promise<string> {
    const { logFloor, commit } = JSON.parse(await this.lease.stats()) as { logFloor: number | null; commit: number };
    return String(logFloor ?? commit);
  }

  claim(claim: Claim): Promise<Claimed> {
    return this.#ask({ claim: { name: this.name, ...claim } });
  }

  /** Gives a sign of life, and writes the cursor if there is one. False if the name is another one's now. */
  keep(token: string, cursor?: string): Promise<boolean> {
    return this.#write(() => this.#ask({ keep: { name: this.name, token, cursor } }));
  }

  release(token: string): Promise<boolean> {
    return this.#write(() => this.#ask({ release: { name: this.name, token } }));
  }

  /** The cursor moved past commits that the pattern does not match, and how many commits lie behind it. */
  advance(cursor: string, pattern: string): Promise<Advanced> {
    return this.#ask({ advance: { cursor, pattern } });
  }

  #write<T>(write: () => Promise<T>): Promise<T> {
    const written = this.#writes.then(write);
    this.#writes = written.catch(() => {});
    return written;
  }

  async #ask<T>(request: object): Promise<T> {
    const text = (await this.lease.model('consume', JSON.stringify({ consumer: request }))) as string;
    return JSON.parse(text) as T;
  }
}
