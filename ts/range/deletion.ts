import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import type { Range } from '../types.js';
import { toRange } from './range.js';
import type { InnerRange } from './range.js';
import { OUTSIDE_MODELS, isReserved } from './reserved.js';

/**
 * The range of a deletion: that of a query, which must say what is to be deleted. A range whose bounds are all
 * undefined is more likely a mistake than the wish to delete everything.
 */
export function toDeletion(query: string | Range, operation: string): Range {
  if (query === '')
    throw new StorageTypeError(`Expected the glob of ${operation} not to be empty; '*' matches every key`);
  if (query === null || (typeof query !== 'string' && typeof query !== 'object'))
    throw new StorageTypeError(
      `Expected the query of ${operation} to be a glob or a range, got ${describeKind(query)}`,
    );
  const range = toRange(query, operation);
  const given = Object.keys(range) as (keyof Range)[];
  if (given.length > 0 && given.every((name) => range[name] === undefined)) {
    throw new StorageTypeError(
      `Expected the range of ${operation} to say what to delete, but ${given.join(', ')} is undefined; ` +
        '{} stands for every key',
    );
  }
  return range;
}

/** The same for the keys of an engine. Those of the models are left out, as they are written through the models. */
export function toEngineDeletion(query: string | Range, operation: string): InnerRange {
  const range = toDeletion(query, operation);
  for (const start of [range.prefix, range.pattern]) {
    if (start === undefined || !isReserved(start)) continue;
    const folder = start.slice(0, start.indexOf('/') + 1);
    throw new StorageError('INVALID_KEY', `Keys under ${folder} belong to a model and are removed through it`, {
      operation,
    });
  }
  return { ...range, ...OUTSIDE_MODELS };
}
