import { StorageError, addContext, fromNative, isStorageError } from '../errors.js';
import type { StorageTypeError } from '../errors.js';
import { QueuedCall } from './calls.js';
import { nativeSession } from './environment.js';
import type { NativeEngineName, NativeSession, NativeStore } from './interface.js';

/** How the addon opens the store of one engine. */
export interface OpenRequest {
  readonly engine: NativeEngineName;
  /** JSON. It may hold a password: nothing prints it. */
  readonly options: string;
  readonly verbose?: ((sql: string) => void) | undefined;
}

export async function openStore({ engine, options, verbose }: OpenRequest): Promise<NativeStore> {
  const session = load(engine);
  const caller = { engine, settled() {}, again: () => false };
  const call = new QueuedCall(caller, 'connect', undefined, (store: NativeStore) => store);
  const id = call.enter();
  try {
    session.open(id, engine, options, verbose);
  } catch (error) {
    call.leave();
    throw connectError(error, engine);
  }
  return (await call.promise) as NativeStore;
}

export function openStoreSync({ engine, options, verbose }: OpenRequest): NativeStore {
  const session = load(engine);
  try {
    return session.openSync(engine, options, verbose);
  } catch (error) {
    throw connectError(error, engine);
  }
}

function connectError(thrown: unknown, engine: string): StorageError | StorageTypeError {
  return addContext(fromNative(thrown), { engine, operation: 'connect' });
}

// The loader's error says which package is missing and how to get it.
function load(engine: string): NativeSession {
  try {
    return nativeSession();
  } catch (error) {
    if (isStorageError(error)) throw error;
    const message = error instanceof Error ? error.message : 'The native addon cannot be loaded';
    throw new StorageError('NOT_SUPPORTED', message, { engine, operation: 'connect', cause: error });
  }
}
