import type { TransactionStats } from '../transactions/options.js';
import type { EngineStats } from '../types.js';

/** The choice of the engine that a model uses. */
export interface ModelOptions {
  /** The engine's name. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
}

/** The result of `storage.stats()`: the figures of each engine by its name, and those of the transactions. */
export type StorageStats = { readonly [engine: string]: EngineStats } & { readonly transactions: TransactionStats };

/** Options of `registerEngine`. */
export interface RegisterOptions {
  /** Whether the manager's `close()` closes the engine too. Default: false. */
  own?: boolean | undefined;
}
