import { refused } from '../answers.js';
import { tick } from '../clock.js';
import { StorageError } from '../errors/storage-error.js';
import type { CallHandle, CallQueue } from './call-queue.js';
import { VERBS } from './interface.js';
import type { NativeView, PageContent } from './interface.js';
import type { Decode } from './results.js';

/** A read of a store or a view. Its argument is a key, a text of keys, or the text of a range. */
export type ReadOperation = 'get' | 'has' | 'getMany' | 'getEntry' | 'keys' | 'count';

/** The part of a lease that its views need. */
export interface ViewLease extends CallQueue {
  /** Which use of the store this is. It changes when the use ends. */
  readonly use: number;
}

/** A view of the addon, which ends with the lease that opened it. */
export class LeasedView {
  readonly #use: number;
  #ended: 'closed' | 'disconnected' | undefined;

  constructor(
    readonly lease: ViewLease,
    private readonly view: NativeView,
    private readonly onClose: (view: LeasedView) => void,
  ) {
    this.#use = lease.use;
  }

  read<T>(operation: ReadOperation, argument: string, decode: Decode<T>, handle?: CallHandle): Promise<T> {
    if (this.#ended !== undefined) return refused(this.#closed(operation));
    tick();
    const { view } = this;
    return this.lease.queue(
      operation,
      keyOf(operation, argument),
      decode,
      (id) => view.submitCall(id, VERBS[operation], argument),
      true,
      handle,
    );
  }

  page<T>(range: string, what: PageContent, after: string | null, maxBytes: number, decode: Decode<T>): Promise<T> {
    if (this.#ended !== undefined) return refused(this.#closed(what));
    tick();
    return this.lease.queue(
      what,
      undefined,
      decode,
      (id) => this.view.submitPage(id, range, what, after, maxBytes),
      true,
    );
  }

  /** The error for readers of what the view gave, if its engine was disconnected since. */
  stale(operation: string): StorageError | undefined {
    return this.lease.use === this.#use ? undefined : this.#closed(operation);
  }

  /** Frees what the view holds. */
  close(): void {
    this.#end('closed');
  }

  /** Closes the view because its engine disconnects. */
  end(): void {
    this.#end('disconnected');
  }

  #end(how: 'closed' | 'disconnected'): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.onClose(this);
    this.view.close();
  }

  #closed(operation: string): StorageError {
    const { lease } = this;
    if (this.#ended !== 'closed' || lease.use !== this.#use) return lease.host.gone(operation);
    return new StorageError('CLOSED', 'The snapshot is closed', { engine: lease.engine, operation });
  }
}

/** The key that the argument of a read is, if it is one. */
export function keyOf(operation: ReadOperation, argument: string): string | undefined {
  return operation === 'get' || operation === 'has' || operation === 'getEntry' ? argument : undefined;
}
