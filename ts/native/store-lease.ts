import type { CallHandle, LeaseHost } from './call-queue.js';
import { listenUntilOver, submitWithProgress } from './calls.js';
import type { MaintenanceVerb, NativeStore } from './interface.js';
import { Lease } from './lease.js';
import { itself, nothing } from './results.js';
import type { Decode } from './results.js';
import { spinWaitFor } from './spin-wait.js';
import { TransactionSlots } from './transaction-slot.js';

/**
 * One use of an open store, from connect to disconnect. It knows the calls under way and the open views, so that the
 * store is given back in order: after the last call, with every view closed.
 */
export class StoreLease extends Lease {
  #slots: TransactionSlots | undefined;

  constructor(
    readonly store: NativeStore,
    host: LeaseHost,
  ) {
    super({ store, hot: store.hot }, host, spinWaitFor(store));
  }

  /** Slots in which transactions over this store begin. */
  get slots(): TransactionSlots {
    return (this.#slots ??= new TransactionSlots(this.store));
  }

  stats(): Promise<string> {
    return this.#maintain('stats', 'stats', itself<string>);
  }

  compact(): Promise<void> {
    return this.#maintain('compact', 'compact', nothing);
  }

  verify(repair: boolean, onProgress: ((text: string) => void) | undefined, handle: CallHandle): Promise<string> {
    const progress = onProgress === undefined ? 0 : listenUntilOver(onProgress);
    return this.#maintain('verify', repair ? 'repair' : 'verify', itself<string>, progress, handle);
  }

  /** Gives the store back. Nothing may be called afterwards. */
  giveBack(): Promise<void> {
    return this.#maintain('disconnect', 'close', nothing);
  }

  #maintain<T>(
    operation: string,
    verb: MaintenanceVerb,
    decode: Decode<T>,
    progress = 0,
    handle?: CallHandle,
  ): Promise<T> {
    const submit = (id: number): void =>
      submitWithProgress(progress, () => this.store.submitMaintenance(id, verb, progress));
    return this.queue(operation, undefined, decode, submit, false, handle);
  }
}
