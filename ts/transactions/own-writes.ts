import { AsyncLocalStorage } from 'node:async_hooks';

// A function in a transaction that calls the engine itself, or begins another transaction, changes what its transaction
// has read. That conflict comes back however often the function is run again. It is recognised while the function runs
// for the second time: only then, because following the function through its promises slows every promise down.

/** What a function that runs in a transaction wrote past that transaction. */
export class OwnWrites {
  readonly #written = new Map<object, Set<string | undefined>>();

  /** @param transaction - The state of the transaction, whose own writes do not count. */
  constructor(readonly transaction: object) {}

  /** @param key - Undefined: keys that are not known. */
  note(store: object, key: string | undefined): void {
    let keys = this.#written.get(store);
    if (keys === undefined) this.#written.set(store, (keys = new Set()));
    keys.add(key);
  }

  /** Whether `key` was written, or may have been; without a key: whether anything was. */
  has(stores: readonly object[], key: string | undefined): boolean {
    return stores.some((store) => {
      const keys = this.#written.get(store);
      return keys !== undefined && (key === undefined || keys.has(key) || keys.has(undefined));
    });
  }
}

const followed = new AsyncLocalStorage<OwnWrites>();
let running = 0;

/** Runs a function, and notes what it writes past its transaction. */
export async function followWrites<T>(own: OwnWrites, run: () => Promise<T> | T): Promise<T> {
  running++;
  try {
    return await followed.run(own, run);
  } finally {
    if (--running === 0) followed.disable();
  }
}

/**
 * Tells of a write to a store, the connection of an engine.
 *
 * @param key - Undefined: keys that are not known.
 * @param transaction - The state of the transaction that makes the write, if one does.
 */
export function noteWrite(store: object, key: string | undefined, transaction?: object): void {
  if (running === 0) return;
  const own = followed.getStore();
  if (own !== undefined && own.transaction !== transaction) own.note(store, key);
}
