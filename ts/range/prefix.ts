import type { Range } from '../types.js';
import type { InnerRange } from './range.js';
import { OUTSIDE_MODELS } from './reserved.js';

// The characters with a meaning in a glob, outside of a class.
const GLOB = /[*?[\]\\]/g;

/** The range of an engine for a range of a store's own keys. `folder` ends in `/`, or is empty for the whole engine. */
export function within(folder: string, range: Range): InnerRange {
  if (folder === '') return { ...range, ...OUTSIDE_MODELS };
  const { prefix = '', gt, gte, lt, lte, pattern, reverse, limit } = range;
  return {
    prefix: folder + prefix,
    gt: placed(folder, gt),
    gte: placed(folder, gte),
    lt: placed(folder, lt),
    lte: placed(folder, lte),
    pattern: pattern === undefined ? undefined : folder.replace(GLOB, '\\$&') + pattern,
    reverse,
    limit,
  };
}

function placed(folder: string, bound: string | undefined): string | undefined {
  return bound === undefined ? undefined : folder + bound;
}
