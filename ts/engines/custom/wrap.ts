import { describeKind } from '../../codec/kinds.js';
import { StorageTypeError } from '../../errors/storage-error.js';
import { VERSION } from '../../version.js';
import { BaseStorageEngine } from '../base.js';
import { NativeEngine } from '../built-in/native-engine.js';
import type { DataMethods, StorageEngine } from '../contract.js';
import type { AccessibleData } from '../data/access.js';
import { NativeData } from '../data/native-data.js';
import type { InternalEngine } from '../internal-engine.js';
import { JavaScriptEngine } from './custom-engine.js';

const METHODS = ['connect', 'disconnect', 'get', 'set', 'delete', 'has', 'keys', 'clear'] as const;
const wrappers = new WeakMap<StorageEngine, JavaScriptEngine>();

// Every copy of the package sees a registered symbol. Copies of one version are one instance, except those that run in
// contexts of their own (scripts/lib/one-instance.mjs).
const MADE_BY = Symbol.for('holdfast.madeBy');
for (const { prototype } of [NativeEngine, JavaScriptEngine, NativeData])
  Object.defineProperty(prototype, MADE_BY, { value: VERSION });

/** The engine itself if it has every method, else its wrapper: one wrapper an engine, however often it is given. */
export function toEngine(engine: StorageEngine, name?: string): InternalEngine {
  if (isInternal(engine)) return engine;
  refuseOtherCopy(engine);
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

/** An engine of another copy would pass for a custom one, which has fewer abilities. */
function refuseOtherCopy(engine: unknown): void {
  const version = (engine as Record<symbol, string | undefined> | null | undefined)?.[MADE_BY];
  if (version === undefined) return;
  throw new StorageTypeError(
    version === VERSION
      ? 'The engine or transaction was made by another copy of holdfast, in another context (node:vm, a test of ' +
          'Jest) or of another build. Make it with the copy that uses it'
      : `The engine or transaction was made by holdfast ${version}, and this is holdfast ${VERSION}. ` +
          'Let the application depend on one version; npm ls holdfast shows who depends on which',
  );
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
