import { abortError, whenAborted } from '../abort.js';
import { StorageError, isStorageError } from '../errors/storage-error.js';
import type { NativeModelCall } from './interface.js';
import { nothing } from './results.js';
import type { Decode } from './results.js';
import type { ViewLease } from './view.js';

/** How a call of a model is followed and stopped. */
export interface ModelCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is called with progress as the addon gives it, which is JSON text. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/**
 * A call of a model whose answer is a stream: pages or bytes that are pulled, or bytes that are pushed. Its steps are
 * carried out in order. It ends with the lease that opened it, or when its signal fires. Its user closes it.
 */
export class ModelCall {
  /** Why no more steps are taken. */
  #fault: StorageError | undefined;
  #closing: Promise<void> | undefined;
  #forgetSignal: (() => void) | undefined;
  /** Rejects what {@link wait} waits for. */
  #interrupt: ((error: StorageError) => void) | undefined;

  constructor(
    private readonly lease: ViewLease,
    private readonly native: NativeModelCall,
    private readonly operation: string,
    signal: AbortSignal | undefined,
    private readonly onClose: (call: ModelCall) => void,
  ) {
    if (signal === undefined) return;
    this.#forgetSignal = whenAborted(signal, () => {
      native.abort();
      this.#stop(abortError(signal, lease.engine, operation));
      void this.close();
    });
  }

  /** The next page or piece, of about `maxBytes` bytes; null at the end. */
  next<T>(maxBytes: number, decode: Decode<T>): Promise<T | null> {
    const found = (result: unknown): T | null => (result === null ? null : decode(result as never));
    return this.#step(found, (id) => this.native.submitNext(id, maxBytes));
  }

  /** Pushes a chunk. It may be written to once the promise is settled, which comes when there is room for the next. */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#step(
      () => undefined,
      (id) => this.native.submitWrite(id, chunk),
    );
  }

  /** Everything was pulled or pushed. Gives the answer, or null if that is a stream of pages, to be pulled next. */
  finish<T>(decode: Decode<T>): Promise<T | null> {
    const answered = (answer: unknown): T | null => (answer === true ? null : decode(answer as never));
    return this.#step(answered, (id) => this.native.submitFinish(id));
  }

  /** Waits for something of the user's, at most until the call is aborted or its engine is disconnected. */
  wait<T>(theirs: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#fault !== undefined) {
        theirs.catch(() => {});
        reject(this.#fault);
        return;
      }
      // A race with one promise for the whole call would keep a reaction in memory for each wait.
      this.#interrupt = reject;
      theirs.then(resolve, reject);
    });
  }

  /** Throws if the call was aborted or its engine disconnected. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Gives up whatever the call holds. Behind it, no progress is told any more. Closing it again does nothing. */
  close(): Promise<void> {
    this.#fault ??= new StorageError('CLOSED', 'The call is over', {
      engine: this.lease.engine,
      operation: this.operation,
    });
    return (this.#closing ??= this.#close());
  }

  /** Closes the call because its engine disconnects. */
  end(): void {
    this.#stop(this.lease.host.gone(this.operation));
    void this.close();
  }

  #close(): Promise<void> {
    this.#forgetSignal?.();
    this.onClose(this);
    return this.lease.queueLong(this.operation, undefined, nothing, (id) => this.native.submitClose(id));
  }

  #stop(error: StorageError): void {
    this.#fault ??= error;
    this.#interrupt?.(this.#fault);
  }

  async #step<T>(decode: Decode<T>, submit: (id: number) => void): Promise<T> {
    this.check();
    try {
      return await this.lease.queueLong(this.operation, undefined, decode, submit);
    } catch (error) {
      // The signal's own reason tells more.
      const fault = isStorageError(error) && error.code === 'ABORTED' ? this.#fault : undefined;
      throw fault ?? error;
    }
  }
}
