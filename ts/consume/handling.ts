import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { throwApart } from '../errors/uncaught.js';
import { retryDelay } from '../retry.js';
import type { CheckedConsumeOptions } from './options.js';
import type { ConsumeDecision, ConsumeFailure } from './types.js';
import { pause, within } from './waiting.js';

/** What a consumer is told of the calls to its user. */
export interface HandlingListener {
  /** A call is due. It is made once this resolves. */
  calling(attempt: number): Promise<void>;
  failed(error: unknown): void;
  /** The failed call will be made again after a pause. */
  pausing(): void;
}

/** Calls the functions of a consumer's user, again after failures, until they succeed or the user decides otherwise. */
export class Handling {
  constructor(
    private readonly options: CheckedConsumeOptions,
    private readonly listener: HandlingListener,
  ) {}

  /**
   * True once `call` has returned, or its failure was skipped. False if `ended` fired before; a call that was running
   * then had the grace to finish. Throws the failure that ends the consumer.
   */
  async run(
    call: (attempt: number) => unknown,
    failure: Pick<ConsumeFailure, 'events' | 'cursor'>,
    ended: AbortSignal,
  ): Promise<boolean> {
    const { retry, grace } = this.options;
    for (let attempt = 1; ; attempt++) {
      await this.listener.calling(attempt);
      if (ended.aborted) return false;
      try {
        // An asynchronous function, so that what `call` throws is a rejection, too.
        return await within((async () => call(attempt))(), ended, grace);
      } catch (error) {
        this.listener.failed(error);
        if (ended.aborted) return false;
        const decision = await this.#decide(error, { ...failure, attempt });
        if (decision === 'skip') return true;
        if (decision === 'stop' || attempt >= retry.attempts) throw error;
      }
      this.listener.pausing();
      await pause(retryDelay(retry, attempt), ended);
    }
  }

  /** What the user decides. What `onError` throws is no decision, and is thrown where it is seen. */
  async #decide(error: unknown, failure: ConsumeFailure): Promise<ConsumeDecision> {
    try {
      const decision: unknown = await this.options.onError?.(error, failure);
      if (decision === undefined || decision === 'retry') return 'retry';
      if (decision === 'skip' || decision === 'stop') return decision;
      const given = typeof decision === 'string' ? 'another string' : describeKind(decision);
      throw new StorageTypeError(`Expected onError to return 'retry', 'skip', 'stop' or nothing, got ${given}`);
    } catch (thrown) {
      throwApart(thrown);
      return 'retry';
    }
  }
}
