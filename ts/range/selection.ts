import { matchKeys } from '../native/environment.js';
import { compareKeys } from './key-order.js';
import type { InnerRange } from './range.js';

/** The keys of `all` that are in a range, in its order. Globs are matched by the addon, as for every engine. */
export function selectKeys(all: readonly string[], range: InnerRange): string[] {
  const { prefix, gt, gte, lt, lte, pattern, reverse, limit, except } = range;
  let keys = all.filter(
    (key) =>
      (prefix === undefined || key.startsWith(prefix)) &&
      (gt === undefined || compareKeys(key, gt) > 0) &&
      (gte === undefined || compareKeys(key, gte) >= 0) &&
      (lt === undefined || compareKeys(key, lt) < 0) &&
      (lte === undefined || compareKeys(key, lte) <= 0) &&
      !except?.some((folder) => key.startsWith(folder)),
  );
  if (pattern !== undefined && keys.length > 0) {
    const matches = matchKeys(pattern, keys);
    keys = keys.filter((_, index) => matches[index]);
  }
  keys.sort(compareKeys);
  if (reverse === true) keys.reverse();
  return limit === undefined ? keys : keys.slice(0, limit);
}
