import { fromNative } from '../errors/from-native.js';
import { isError } from '../errors/is-error.js';
import { StorageError, addContext, isStorageError } from '../errors/storage-error.js';
import type { StorageTypeError } from '../errors/storage-error.js';
import { QueuedCall } from './calls.js';
import { nativeSession } from './environment.js';
import type { NativeEngineName, NativeHost, NativeSession, NativeStore } from './interface.js';

/** The arguments with which the addon opens the store of one engine. */
export interface OpenRequest {
  readonly engine: NativeEngineName;
  /** JSON. It may hold a password: nothing prints it. */
  readonly options: string;
  /** Receives the statements of sqlite, and from redis `up` or the JSON of the error that a connection ended with. */
  readonly listener?: ((text: string) => void) | undefined;
}

/**
 * The folder of the transaction logs that may know of transactions left by a crash, and the application's name of the
 * engine.
 */
export interface Recovery {
  readonly folder: string;
  readonly name: string;
  /** Is called with the JSON of what was found and done. */
  done(outcome: string): void;
}

export async function openStore({ engine, options, listener }: OpenRequest, recovery?: Recovery): Promise<NativeStore> {
  const session = load(engine);
  return recovered(
    await opened(engine, (id) => session.open(id, engine, options, listener, recoveryArgument(recovery))),
    recovery,
  );
}

export function openStoreSync({ engine, options, listener }: OpenRequest, recovery?: Recovery): NativeStore {
  const session = load(engine);
  try {
    return recovered(session.openSync(engine, options, listener, recoveryArgument(recovery)), recovery);
  } catch (error) {
    throw connectError(error, engine);
  }
}

function recoveryArgument(recovery: Recovery | undefined): [string, string] | undefined {
  return recovery && [recovery.folder, recovery.name];
}

/** Opens a custom engine as a store of the core's. */
export async function openHosted(host: NativeHost, engine: string, recovery?: Recovery): Promise<NativeStore> {
  return recovered(await opened(engine, (id) => host.open(id, recoveryArgument(recovery))), recovery);
}

async function opened(engine: string, submit: (id: number) => void): Promise<NativeStore> {
  const caller = { engine, settled() {}, again: () => false };
  const call = new QueuedCall(caller, 'connect', undefined, (store: NativeStore) => store);
  const id = call.enter();
  try {
    submit(id);
  } catch (error) {
    call.leave();
    throw connectError(error, engine);
  }
  return (await call.promise) as NativeStore;
}

function recovered(store: NativeStore, recovery: Recovery | undefined): NativeStore {
  if (recovery !== undefined && store.recovered !== null) recovery.done(store.recovered);
  return store;
}

function connectError(thrown: unknown, engine: string): StorageError | StorageTypeError {
  return addContext(fromNative(thrown), { engine, operation: 'connect' });
}

// The message of the loader's error says which package is missing and how to get it.
function load(engine: string): NativeSession {
  try {
    return nativeSession();
  } catch (error) {
    if (isStorageError(error)) throw error;
    const message = isError(error) ? error.message : 'The native addon cannot be loaded';
    throw new StorageError('NOT_SUPPORTED', message, { engine, operation: 'connect', cause: error });
  }
}
