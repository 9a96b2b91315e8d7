import { decode } from '../../codec/decode.js';
import { keepCause } from '../../errors/custom-causes.js';
import { isStorageError } from '../../errors/storage-error.js';
import { keysText } from '../../native/batch-text.js';
import { forgetProgress, listenForProgress } from '../../native/calls.js';
import { nativeSession } from '../../native/environment.js';
import type { NativeHost, NativeStore } from '../../native/interface.js';
import { openHosted } from '../../native/open.js';
import type { Recovery } from '../../native/open.js';
import type { KeyOperation } from '../../types.js';
import type { StoredOptions } from '../contract.js';
import type { CallOrder } from './call-order.js';
import type { EngineCalls } from './engine-calls.js';

type Written = [key: string] | [key: string, value: unknown, expiresAt: number | null, metadata: unknown];

/** Carries out the calls that the core makes to a custom engine, in their turn among the engine's other calls. */
export class CustomHost {
  readonly #calls: EngineCalls;
  readonly #order: CallOrder;
  #listener = 0;
  #native: NativeHost | undefined;
  /** Ends the step of the core's that holds the engine. */
  #endStep = (): void => {};

  constructor(calls: EngineCalls, order: CallOrder) {
    this.#calls = calls;
    this.#order = order;
  }

  /** Opens the engine as a store of the core's. */
  async open(recovery: Recovery | undefined): Promise<NativeStore> {
    const { name, atomicBatch, keepsExpiry, keepsMetadata } = this.#calls;
    this.#listener = listenForProgress((call) => this.#hear(call));
    const traits = JSON.stringify({ name, atomicBatch, expiry: keepsExpiry, metadata: keepsMetadata });
    try {
      this.#native = nativeSession().custom(this.#listener, traits);
      return await openHosted(this.#native, name, recovery);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The core makes no more calls. */
  close(): void {
    this.#endStep();
    forgetProgress(this.#listener);
    this.#listener = 0;
    this.#native = undefined;
  }

  #hear(call: string): void {
    const [id, what, ...rest] = decode<[number, string, ...unknown[]]>(call);
    const native = this.#native!;
    const done = (): void => native.done(id, this.#calls.changes);
    const answer = async (perform: () => Promise<void>): Promise<void> => {
      try {
        await perform();
      } catch (error) {
        native.fail(id, errorText(error));
      }
    };
    switch (what) {
      case 'begin':
        void this.#order.pass(
          () =>
            new Promise<void>((end) => {
              this.#endStep = end;
              done();
            }),
        );
        return;
      case 'end':
        if (rest[0] === true) this.#calls.feed.flush();
        else this.#calls.feed.forget();
        this.#endStep();
        return done();
      case 'write':
        return void answer(() => this.#write(rest[0] as Written).then(done));
      case 'batch':
        return void answer(() => this.#batch(rest as Written[]).then(done));
    }
    const [inside, key] = rest as [boolean, string];
    const read = (): Promise<void> =>
      answer(() => (what === 'get' ? this.#get(native, id, key) : this.#keys(native, id)));
    // A call inside of a step has no turn to wait for: the step holds the engine.
    void (inside ? read() : this.#order.pass(read));
  }

  async #get(native: NativeHost, id: number, key: string): Promise<void> {
    const found = await this.#calls.record(key, 'get');
    native.record(id, this.#calls.changes, found?.value, found?.expiresAt, found?.metadata);
  }

  async #keys(native: NativeHost, id: number): Promise<void> {
    const keys = await this.#calls.allKeys('keys');
    native.keys(id, this.#calls.changes, keysText(keys));
  }

  async #write([key, ...set]: Written): Promise<void> {
    if (set.length === 0) await this.#calls.delete(key, 'delete');
    else await this.#calls.put(key, set[0], storedOptions(set[1], set[2]), 'set');
  }

  #batch(writes: Written[]): Promise<void> {
    const operations = writes.map(([key, ...set]): KeyOperation =>
      set.length === 0
        ? { type: 'delete', key }
        : { type: 'set', key, value: set[0], ...storedOptions(set[1], set[2]) },
    );
    return this.#calls.batch(operations, 'batch');
  }
}

function storedOptions(expiresAt: number | null, metadata: unknown): StoredOptions | undefined {
  if (expiresAt === null && metadata === null) return undefined;
  return { ...(expiresAt !== null && { expiresAt }), ...(metadata !== null && { metadata }) };
}

/** The text of an error for the addon. */
function errorText(error: unknown): string {
  if (!isStorageError(error))
    return JSON.stringify({ code: 'IO', message: 'The engine failed inside', cause: keepCause(error) });
  const { code, message, key, cause } = error;
  return JSON.stringify({ code, message, key, cause: cause === undefined ? undefined : keepCause(cause) });
}
