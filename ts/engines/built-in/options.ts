import { resolve } from 'node:path';
import { boolean, oneOf } from '../../arguments/option-types.js';
import type { Shape } from '../../arguments/options.js';
import type { Capabilities, Durability } from '../../types.js';

/** What the engines have in common in their options. */
export interface DurabilityOptions {
  /**
   * How sure a resolved write is: `'full'` survives power loss, `'normal'` a killed process, with `'none'` a crash may
   * lose it. No level shows half a write. Default: the manager's `durability`, else `'full'`.
   */
  durability?: Durability | undefined;
}

export const DURABILITY_SHAPE: Shape = { durability: oneOf('full', 'normal', 'none') };
export const READ_ONLY_SHAPE: Shape = { readOnly: boolean };

/** An absolute path: a later change of the working folder moves no store. */
export function absolute(path: string): string {
  return resolve(path);
}

/** What an engine on a disk of its own can do. */
export const EMBEDDED: Capabilities = {
  snapshots: true,
  atomicBatch: true,
  atomicClear: true,
  timestamps: true,
  watch: 'process',
  multiProcess: false,
  sync: true,
};
