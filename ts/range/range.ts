import { boolean, integer, string } from '../arguments/option-types.js';
import { checkOptions, isOptions } from '../arguments/options.js';
import type { Shape } from '../arguments/options.js';
import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import type { Range } from '../types.js';

/** A range that may also exclude folders, such as those of the models. */
export interface InnerRange extends Range {
  except?: readonly string[] | undefined;
}

const RANGE_SHAPE: Shape = {
  prefix: string,
  gt: string,
  gte: string,
  lt: string,
  lte: string,
  pattern: string,
  reverse: boolean,
  limit: integer(0),
};
const TEXTS = ['prefix', 'gt', 'gte', 'lt', 'lte', 'pattern'] as const;

/** The range that a query means: a glob, a range, or undefined for all keys. */
export function toRange(query: string | Range | undefined, operation: string): Range {
  if (query === undefined) return {};
  if (typeof query === 'string') query = query === '' ? {} : { pattern: query };
  else {
    if (typeof query !== 'object' || query === null || !isOptions(query)) {
      throw new StorageTypeError(
        `Expected the query of ${operation} to be a glob or a range, got ${describeKind(query)}`,
      );
    }
    checkOptions(operation, query, RANGE_SHAPE);
  }
  for (const name of TEXTS) {
    if (query[name]?.isWellFormed() === false) {
      throw new StorageError('INVALID_KEY', `The ${name} of ${operation} holds a lone surrogate, which no key does`, {
        operation,
      });
    }
  }
  return query;
}

/** The text of a range as the addon takes it. */
export function rangeText({ prefix, gt, gte, lt, lte, pattern, reverse, limit, except }: InnerRange): string {
  return JSON.stringify({ prefix, gt, gte, lt, lte, pattern, reverse, limit, except });
}
