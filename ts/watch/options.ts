import { boolean, either, integer, signal } from '../arguments/option-types.js';
import { checkOptions } from '../arguments/options.js';
import type { OptionType, Shape } from '../arguments/options.js';
import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { toRange } from '../range/range.js';
import type { Range } from '../types.js';
import type { WatchOptions } from './types.js';

/** The text of a cursor. The core reads it. */
const cursor: OptionType = {
  expected: 'the cursor of an event',
  accepts: (value) => typeof value === 'string' && /^\d[!-~]*$/.test(value),
};

/** A place to begin from. */
export const place: OptionType = either(cursor, integer(0));

const WATCH_SHAPE: Shape = {
  since: place,
  maxQueue: integer(1, 1_000_000),
  persistent: boolean,
  signal,
};

/** The checked options of a watch. */
export interface CheckedOptions {
  /** The text of a cursor. */
  readonly since: string | undefined;
  readonly maxQueue: number;
  readonly persistent: boolean;
  readonly signal: AbortSignal | undefined;
}

export function checkedOptions(options: WatchOptions | undefined): CheckedOptions {
  checkOptions('watch', options, WATCH_SHAPE);
  const { since, maxQueue = 1024, persistent = true, signal } = options ?? {};
  return { since: since === undefined ? undefined : String(since), maxQueue, persistent, signal };
}

/** The range of a pattern. */
export function watchedRange(pattern: string | undefined): Range {
  if (pattern !== undefined && typeof pattern !== 'string') {
    throw new StorageTypeError(`Expected the pattern of watch to be a string, got ${describeKind(pattern)}`);
  }
  return toRange(pattern, 'watch');
}
