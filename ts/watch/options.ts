import { boolean, integer, signal } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import type { Shape } from '../arguments/options.js';
import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { toRange } from '../range/range.js';
import type { Range } from '../types.js';
import type { WatchOptions } from './types.js';

const WATCH_SHAPE: Shape = { since: integer(0), maxQueue: integer(1, 1_000_000), persistent: boolean, signal };

/** The checked options of a watch. */
export interface CheckedOptions {
  readonly since: number | undefined;
  readonly maxQueue: number;
  readonly persistent: boolean;
  readonly signal: AbortSignal | undefined;
}

export function checkedOptions(options: WatchOptions | undefined): CheckedOptions {
  checkOptions('watch', options, WATCH_SHAPE);
  const { since, maxQueue = 1024, persistent = true, signal } = options ?? {};
  return { since, maxQueue, persistent, signal };
}

/** The range of a pattern. */
export function watchedRange(pattern: string | undefined): Range {
  if (pattern !== undefined && typeof pattern !== 'string') {
    throw new StorageTypeError(`Expected the pattern of watch to be a string, got ${describeKind(pattern)}`);
  }
  return toRange(pattern, 'watch');
}
