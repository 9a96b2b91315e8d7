import { boolean } from '../arguments/option-types.js';
import type { Shape } from '../arguments/options.js';
import type { TransactionStats } from '../transactions/options.js';
import type { EngineStats, VerifyOptions } from '../types.js';

/** The choice of the engine that a model uses. */
export interface ModelOptions {
  /** The engine's name. Default: the manager's `defaultEngine`. */
  engine?: string | undefined;
}

/** Options of `storage.stats()`. */
export interface StorageStatsOptions {
  /** Also ask the engines that are not open. It opens them, and makes stores that are not there. Default: false. */
  all?: boolean | undefined;
}

/** Options of `storage.verify()`. */
export interface StorageVerifyOptions extends VerifyOptions, StorageStatsOptions {}

export const ALL_SHAPE: Shape = { all: boolean };

/** The result of `storage.stats()`: the figures of each asked engine by its name, and those of the transactions. */
export type StorageStats = { readonly [engine: string]: EngineStats } & { readonly transactions: TransactionStats };

/** Options of `registerEngine`. */
export interface RegisterOptions {
  /** Whether the manager's `close()` closes the engine too. Default: false. */
  own?: boolean | undefined;
}
