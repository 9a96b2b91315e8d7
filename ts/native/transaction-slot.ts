import type { NativeSlot, NativeSlotCalls, NativeStore, NativeTransactionLog } from './interface.js';

/**
 * A reusable handle of a store: its calls go to the transaction that began in it most recently. Making a handle takes
 * as long as a short transaction, so slots are used again.
 */
export interface TransactionSlot {
  readonly store: NativeSlot;
  readonly hot: NativeSlotCalls;
  /** The name and the log that the slot was told to serve. */
  name: string | undefined;
  log: NativeTransactionLog | undefined;
}

/** How many free slots are kept over one store. */
const MOST_FREE = 64;

/** The slots over one store that no transaction is in. */
export class TransactionSlots {
  readonly #store: NativeStore;
  readonly #free: TransactionSlot[] = [];

  constructor(store: NativeStore) {
    this.#store = store;
  }

  /** A slot for a transaction, to be given back. */
  take(): TransactionSlot {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const store = this.#store.slot();
    return { store, hot: store.hot, name: undefined, log: undefined };
  }

  /** Takes a slot back for the next transaction. Nothing more may be called through it. */
  giveBack(slot: TransactionSlot): void {
    if (this.#free.length < MOST_FREE) this.#free.push(slot);
  }
}
