import { abortable } from '../abort.js';
import type { ValueRules } from '../codec/rules.js';
import { noteWrite } from '../transactions/own-writes.js';
import { cancelCall } from './call-queue.js';
import type { CallHandle } from './call-queue.js';
import type { Lease } from './lease.js';
import type { ModelCall, ModelCallOptions } from './model-call.js';
import type { StoreLease } from './store-lease.js';

/** Gives data methods the store that they call: the connection of an engine, or the branch of a transaction. */
export interface LeaseSource<L extends Lease = Lease> {
  /** The engine's name, for errors. */
  readonly name: string;
  /** The rules for values. */
  readonly rules: ValueRules;
  /** The time from which a `ttl` counts. */
  readonly now: () => number;
  /** The connection of the engine and the state of the transaction, for the branch of a transaction. */
  readonly within?: { readonly store: object; readonly transaction: object };
  /** Whether all calls see one moment of the store. */
  readonly isOneMoment?: boolean;
  /** The open store, if a call may go to it at once. */
  readonly lease: L | undefined;
  /** Runs a call now if the store is open, else once it is open, after the calls made before. */
  withLease<T>(operation: string, run: (lease: L) => Promise<T>, handle?: CallHandle): Promise<T>;
}

/** An engine's connection: its leases are uses of an open store. */
export type StoreSource = LeaseSource<StoreLease>;

/** Runs a call that `signal` aborts, wherever the call has got to. */
export function abortableCall<T, L extends Lease>(
  source: LeaseSource<L>,
  operation: string,
  signal: AbortSignal | undefined,
  run: (lease: L, handle: CallHandle) => Promise<T>,
): Promise<T> {
  const handle: CallHandle = {};
  const start = (): Promise<T> => source.withLease(operation, (lease) => run(lease, handle), handle);
  return abortable(signal, source.name, operation, start, (error) => cancelCall(handle, error));
}

/** Starts a call of a model, which `signal` aborts wherever it has got to. */
export function callModel<L extends Lease>(
  source: LeaseSource<L>,
  operation: string,
  request: object,
  options: ModelCallOptions,
): Promise<string | ModelCall> {
  const { within } = source;
  if (operation === 'import') noteWrite(within?.store ?? source, undefined, within?.transaction);
  const text = JSON.stringify(request);
  return abortableCall(source, operation, options.signal, (lease, handle) =>
    lease.model(operation, text, options, handle),
  );
}
