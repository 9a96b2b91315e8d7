import {
  anything,
  boolean,
  callback,
  checkKey,
  checkOptions,
  either,
  integer,
  milliseconds,
  signal,
  string,
  timestamp,
} from '../../arguments/options.js';
import type { Shape } from '../../arguments/options.js';
import { describeKind } from '../../codec/kinds.js';
import { encode } from '../../codec/encode.js';
import { StorageError, StorageTypeError } from '../../errors/storage-error.js';
import { asText } from '../../native/batch-text.js';
import type { Range, RecordOptions, SetManyOptions, SetOptions } from '../../types.js';

// Folders whose keys belong to the models: raw reads see them, raw writes are refused.
const RESERVED = ['docs/', 'graphs/', 'objects/'] as const;

/** A range that may leave out the models' folders. */
export interface InnerRange extends Range {
  except?: readonly string[] | undefined;
}

/** Every key but those of the models. */
export const OUTSIDE_MODELS: InnerRange = { except: RESERVED };

export function isReserved(key: string): boolean {
  // Few keys start with one of these letters, so most are done after one comparison.
  const first = key.charCodeAt(0);
  if (first !== 100 && first !== 103 && first !== 111) return false;
  return RESERVED.some((folder) => key.startsWith(folder));
}

/** Throws unless `key` may be written by a raw write. */
export function checkWritableKey(key: unknown, operation: string): asserts key is string {
  checkKey(key, operation);
  if (isReserved(key)) {
    const folder = key.slice(0, key.indexOf('/') + 1);
    throw new StorageError('INVALID_KEY', `Keys under ${folder} belong to a model and are written through it`, {
      key,
      operation,
    });
  }
}

const RECORD_SHAPE: Shape = { ttl: milliseconds, expiresAt: timestamp, metadata: anything, signal };
const SET_MANY_SHAPE: Shape = { ...RECORD_SHAPE, ifAbsent: boolean };
const SET_SHAPE: Shape = { ...SET_MANY_SHAPE, ifVersion: string };
export const BATCH_SET_SHAPE: Shape = { ...SET_SHAPE, type: string, key: anything, value: anything };
const SHAPES = { record: RECORD_SHAPE, setMany: SET_MANY_SHAPE, set: SET_SHAPE, batch: BATCH_SET_SHAPE } as const;

/** Options of a write, checked and encoded. */
export interface WriteOptions {
  readonly expiresAt: number | undefined;
  /** JSON text. */
  readonly metadata: string | undefined;
  readonly ifVersion: string | undefined;
  readonly ifAbsent: boolean;
  readonly signal: AbortSignal | undefined;
}

const NO_OPTIONS: WriteOptions = {
  expiresAt: undefined,
  metadata: undefined,
  ifVersion: undefined,
  ifAbsent: false,
  signal: undefined,
};
const LATEST = 8.64e15; // the last moment a Date can hold

export function writeOptions(
  operation: string,
  kind: keyof typeof SHAPES,
  options: SetOptions | SetManyOptions | RecordOptions | undefined,
  maxBytes?: number,
): WriteOptions {
  if (options === undefined) return NO_OPTIONS;
  checkOptions(operation, options, SHAPES[kind]);
  const { ttl, expiresAt, metadata, ifVersion, ifAbsent, signal } = options as SetOptions;
  if (ttl !== undefined && expiresAt !== undefined)
    throw new StorageTypeError(`Expected one of the options ttl and expiresAt of ${operation}, got both`);
  if (ttl === 0) throw new StorageTypeError(`Expected option ttl of ${operation} to be more than 0`);
  if (ifVersion !== undefined && ifAbsent === true) {
    throw new StorageTypeError(`Expected one of the options ifVersion and ifAbsent of ${operation}, got both`);
  }
  return {
    expiresAt: moment(ttl === undefined ? expiresAt : Date.now() + ttl),
    metadata: metadata === undefined ? undefined : asText(encode(metadata, maxBytes)),
    ifVersion: ifVersion === undefined ? undefined : checkVersion(ifVersion, operation),
    ifAbsent: ifAbsent === true,
    signal,
  };
}

function moment(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.min(LATEST, Math.max(0, Math.ceil(time)));
}

// Hexadecimal, as every built-in engine writes them; engines of users may have their own, but none holds a NUL.
function checkVersion(version: string, operation: string): string {
  if (version === '' || version.includes('\0'))
    throw new StorageTypeError(`Expected the version given to ${operation} to be one that a call returned`);
  return version;
}

/** Throws unless `version` is null or looks like a version. */
export function checkExpected(version: unknown, operation: string): asserts version is string | null {
  if (version === null) return;
  if (typeof version !== 'string') {
    throw new StorageTypeError(
      `Expected the version given to ${operation} to be a string or null, got ${describeKind(version)}`,
    );
  }
  checkVersion(version, operation);
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

/** A query as a range. */
export function toRange(query: string | Range | undefined, operation: string): Range {
  if (query === undefined) return {};
  if (typeof query === 'string') query = query === '' ? {} : { pattern: query };
  else {
    if (typeof query !== 'object' || query === null) {
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

/** A range as the addon takes it. */
export function rangeText({ prefix, gt, gte, lt, lte, pattern, reverse, limit, except }: InnerRange): string {
  return JSON.stringify({ prefix, gt, gte, lt, lte, pattern, reverse, limit, except });
}

/** The keys of an iterable, each checked. */
export function keyList(keys: unknown, operation: string, check: (key: unknown, operation: string) => void): string[] {
  const list = iterated(keys, operation, 'keys');
  for (const key of list) check(key, operation);
  return list as string[];
}

/** The items of an iterable that is no string. */
export function iterated(items: unknown, operation: string, what: string): unknown[] {
  if (Array.isArray(items)) return items as unknown[];
  if (typeof items === 'object' && items !== null && Symbol.iterator in items) return [...(items as Iterable<unknown>)];
  throw new StorageTypeError(`Expected ${operation} to be given an iterable of ${what}, got ${describeKind(items)}`);
}

/** Throws unless `entry` is a pair. */
export function checkPair(entry: unknown, operation: string): asserts entry is [unknown, unknown] {
  if (!Array.isArray(entry) || entry.length !== 2) {
    throw new StorageTypeError(
      `Expected each entry of ${operation} to be a [key, value] pair, got ${describeKind(entry)}`,
    );
  }
}

const LONG_CALL_SHAPE: Shape = { signal, onProgress: callback };
export const ABORT_SHAPE: Shape = { signal };
export const VERIFY_SHAPE: Shape = { ...LONG_CALL_SHAPE, repair: boolean };
export const COPY_SHAPE: Shape = {
  ...LONG_CALL_SHAPE,
  from: either(string, { expected: 'an engine', accepts: isObject }),
  to: either(string, { expected: 'an engine', accepts: isObject }),
  prefix: string,
  overwrite: boolean,
};

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
