import type { AbortOptions } from '../types.js';
import { boolean, callback, signal } from './option-types.js';
import { checkOptions } from './options.js';
import type { Shape } from './options.js';

// Shapes of options that several methods take.

export const ABORT_SHAPE: Shape = { signal };
export const LONG_CALL_SHAPE: Shape = { signal, onProgress: callback };
export const VERIFY_SHAPE: Shape = { ...LONG_CALL_SHAPE, repair: boolean };

/** The signal of checked options. */
export function signalOf(operation: string, options: AbortOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined;
  checkOptions(operation, options, ABORT_SHAPE);
  return options.signal;
}
