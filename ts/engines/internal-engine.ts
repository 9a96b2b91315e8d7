import type { closeForGood, connection, setHooks } from '../internal.js';
import type { StoreSource } from '../native/lease-source.js';
import type { Recovery } from '../native/open.js';
import type { Engine } from './contract.js';
import type { AccessibleData } from './data/access.js';
import type { EngineHooks } from './hooks.js';

/** A source of leases. When it opens a store, it finishes what a crash left there. */
export interface RecoveringSource extends StoreSource {
  /** Set by a manager. An engine without a manager knows no transaction logs. */
  recovery: Recovery | undefined;
}

/** An engine with what the facade itself needs of it. The built-in engines and the wrapper of a custom one have it. */
export interface InternalEngine extends Engine, AccessibleData {
  readonly [connection]: RecoveringSource;
  [setHooks](hooks: EngineHooks): void;
  [closeForGood](): Promise<void>;
}
