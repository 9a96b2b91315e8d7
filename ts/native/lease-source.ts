import { abortable } from '../abort.js';
import { cancelCall } from './call-queue.js';
import type { CallHandle } from './call-queue.js';
import type { Lease } from './lease.js';

/** Gives data methods the store that they call: the connection of an engine, or the branch of a transaction. */
export interface LeaseSource {
  /** The engine's name, for errors. */
  readonly name: string;
  /** The most bytes of an encoded value. */
  readonly maxBytes: number;
  /** Whether all calls see one moment of the store. */
  readonly isOneMoment?: boolean;
  /** The open store, if a call may go to it at once. */
  readonly lease: Lease | undefined;
  /** Runs a call now if the store is open, else once it is open, after the calls made before. */
  withLease<T>(operation: string, run: (lease: Lease) => Promise<T>, handle?: CallHandle): Promise<T>;
}

/** Runs a call that `signal` aborts, wherever the call has got to. */
export function abortableCall<T>(
  source: LeaseSource,
  operation: string,
  signal: AbortSignal | undefined,
  run: (lease: Lease, handle: CallHandle) => Promise<T>,
): Promise<T> {
  const handle: CallHandle = {};
  const start = (): Promise<T> => source.withLease(operation, (lease) => run(lease, handle), handle);
  return abortable(signal, source.name, operation, start, (error) => cancelCall(handle, error));
}
