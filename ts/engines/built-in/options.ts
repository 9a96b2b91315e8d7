import { resolve } from 'node:path';
import { boolean, oneOf } from '../../arguments/option-types.js';
import type { Shape } from '../../arguments/options.js';
import type { Capabilities, Durability } from '../../types.js';

/** Options that all built-in engines have. */
export interface DurabilityOptions {
  /**
   * The failures that a resolved write survives: `'full'` power loss, `'normal'` a killed process, `'none'` neither.
   * No level shows half a write. Default: the manager's `durability`, else `'full'`.
   */
  durability?: Durability | undefined;
}

export const DURABILITY_SHAPE: Shape = { durability: oneOf('full', 'normal', 'none') };
export const READ_ONLY_SHAPE: Shape = { readOnly: boolean };

/** The absolute path, so that a later change of the working folder moves no store. */
export function absolute(path: string): string {
  return resolve(path);
}

/** The abilities of engines in this process. */
export const EMBEDDED: Capabilities = {
  snapshots: true,
  atomicBatch: true,
  atomicClear: true,
  timestamps: true,
  watch: 'process',
  multiProcess: false,
  sync: true,
};
