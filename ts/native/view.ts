import { StorageError } from '../errors/storage-error.js';
import type { NativeReads, NativeView, PageContent } from './interface.js';
import type { Decode, Lease } from './lease.js';

/** A read of a store or a view. `argument` is a key, a text of keys, or a range. */
export type ReadOperation = 'get' | 'has' | 'getMany' | 'getEntry' | 'keys' | 'count';

/** A view and the lease it belongs to. */
export class LeasedView {
  readonly #use: number;
  #ended: 'closed' | 'disconnected' | undefined;

  constructor(
    readonly lease: Lease,
    private readonly view: NativeView,
    private readonly onClose: (view: LeasedView) => void,
  ) {
    this.#use = lease.use;
  }

  read<T>(operation: ReadOperation, argument: string, decode: Decode<T>): Promise<T> {
    const key = operation === 'get' || operation === 'has' || operation === 'getEntry' ? argument : undefined;
    if (this.#ended !== undefined) return Promise.reject(this.#closed(operation));
    const { view } = this;
    return this.lease.queue(operation, key, decode, (id) => submitRead(view, operation, id, argument), true);
  }

  page<T>(range: string, what: PageContent, after: string | null, maxBytes: number, decode: Decode<T>): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#closed(what));
    return this.lease.queue(
      what,
      undefined,
      decode,
      (id) => this.view.submitPage(id, range, what, after, maxBytes),
      true,
    );
  }

  /** The error of whoever still uses what the view gave, if its engine has gone since. */
  stale(operation: string): StorageError | undefined {
    return this.lease.use === this.#use ? undefined : this.#closed(operation);
  }

  /** Frees what the view holds. */
  close(): void {
    this.#end('closed');
  }

  /** Closes it because its engine goes. */
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

/** Queues a read of a store or a view. */
export function submitRead(source: NativeReads, operation: ReadOperation, id: number, argument: string): void {
  switch (operation) {
    case 'get':
      return source.submitGet(id, argument);
    case 'has':
      return source.submitHas(id, argument);
    case 'getMany':
      return source.submitGetMany(id, argument);
    case 'getEntry':
      return source.submitEntry(id, argument);
    case 'keys':
      return source.submitKeys(id, argument);
    case 'count':
      return source.submitCount(id, argument);
  }
}
