import { describeKind } from '../../codec/kinds.js';
import { StorageTypeError } from '../../errors/storage-error.js';
import { BaseStorageEngine } from '../base.js';
import { NativeEngine } from '../built-in/native-engine.js';
import type { DataMethods, StorageEngine } from '../contract.js';
import type { AccessibleData } from '../data/access.js';
import { NativeData } from '../data/native-data.js';
import type { InternalEngine } from '../internal-engine.js';
import { JavaScriptEngine } from './custom-engine.js';

const METHODS = ['connect', 'disconnect', 'get', 'set', 'delete', 'has', 'keys', 'clear'] as const;
const wrappers = new WeakMap<StorageEngine, JavaScriptEngine>();

/** The engine itself if it has every method, else its wrapper: one wrapper an engine, however often it is given. */
export function toEngine(engine: StorageEngine, name?: string): InternalEngine {
  if (isInternal(engine)) return engine;
  checkEngine(engine);
  let wrapper = wrappers.get(engine);
  if (wrapper === undefined) {
    wrapper = new JavaScriptEngine(name ?? engine.name ?? 'custom', engine);
    wrappers.set(engine, wrapper);
  }
  return wrapper;
}

/** The data methods of an engine or a transaction. */
export function toDataMethods(store: StorageEngine | DataMethods): AccessibleData {
  return store instanceof NativeData ? store : toEngine(store as StorageEngine);
}

function isInternal(engine: unknown): engine is NativeEngine<unknown> | JavaScriptEngine {
  return engine instanceof NativeEngine || engine instanceof JavaScriptEngine;
}

function checkEngine(engine: unknown): void {
  if (typeof engine !== 'object' || engine === null) {
    throw new StorageTypeError(`Expected a storage engine, got ${describeKind(engine)}`);
  }
  const missing = METHODS.filter((method) => typeof (engine as Record<string, unknown>)[method] !== 'function');
  if (missing.length === 0) return;
  const hint = engine instanceof BaseStorageEngine ? ' (a subclass of BaseStorageEngine gives them)' : '';
  throw new StorageTypeError(
    `Expected a storage engine to have the method${missing.length > 1 ? 's' : ''} ${missing.join(', ')}${hint}`,
  );
}
