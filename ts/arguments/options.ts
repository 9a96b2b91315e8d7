/// <reference lib="es2024.string" />
import { Buffer } from 'node:buffer';
import { describeKind } from '../codec/kinds.js';
import { StorageError, StorageTypeError } from '../errors/storage-error.js';
import { nearest } from './nearest.js';

/** The most UTF-8 bytes a key may have. */
export const MAX_KEY_BYTES = 4096;

// A UTF-16 unit takes at most three bytes, so shorter keys need not be measured.
const SURELY_FITS = Math.floor(MAX_KEY_BYTES / 3);

/** Throws unless `key` is a non-empty, well-formed string of at most 4,096 UTF-8 bytes. */
export function checkKey(key: unknown, operation?: string): asserts key is string {
  if (typeof key === 'string' && key.length !== 0 && key.length <= SURELY_FITS && key.isWellFormed()) return;
  refuseKey(key, operation);
}

// Apart from the check, which stays small enough to be inlined.
function refuseKey(key: unknown, operation: string | undefined): void {
  if (typeof key !== 'string') {
    throw new StorageTypeError(`Expected the key to be a string, got ${describeKind(key)}`, { operation });
  }
  if (key.length === 0) throw new StorageError('INVALID_KEY', 'The key is empty', { key, operation });
  // More units than bytes allowed need no counting; the key itself is left out of the error as it may be huge.
  const bytes = key.length > MAX_KEY_BYTES ? undefined : Buffer.byteLength(key);
  if (bytes === undefined || bytes > MAX_KEY_BYTES) {
    const size = bytes === undefined ? `more than ${MAX_KEY_BYTES}` : String(bytes);
    throw new StorageError('INVALID_KEY', `The key has ${size} UTF-8 bytes; at most ${MAX_KEY_BYTES} are allowed`, {
      operation,
    });
  }
  if (!key.isWellFormed()) {
    throw new StorageError('INVALID_KEY', 'The key holds a lone surrogate, which has no UTF-8 form', {
      key,
      operation,
    });
  }
}

/** What an option may be. */
export interface OptionType {
  /** Ends the sentence "Expected option x to be …". */
  readonly expected: string;
  accepts(value: unknown): boolean;
  readonly required?: boolean;
  /** The options of an option that is an object itself. */
  readonly shape?: Shape;
}

/** The options a method or a configuration section takes. */
export type Shape = Readonly<Record<string, OptionType>>;

/**
 * Throws unless `options` is undefined, or an object with no options but those of `shape`, each of its type. An option
 * that is undefined counts as absent. Messages name options and types, never what an option holds.
 *
 * @param name - Whose options they are, such as `'SQLiteStorage'` or `'set'`.
 */
export function checkOptions(name: string, options: unknown, shape: Shape): void {
  checkSection(name, '', options, shape);
}

function checkSection(name: string, prefix: string, options: unknown, shape: Shape): void {
  if (options === undefined && prefix === '') options = {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const what = prefix === '' ? `the options of ${name}` : `option ${prefix.slice(0, -1)} of ${name}`;
    throw new StorageTypeError(`Expected ${what} to be an object, got ${describeKind(options)}`);
  }
  const given = options as Record<string, unknown>;
  for (const option of Object.keys(given)) {
    // A shape is a literal, so `constructor` and `__proto__` are no options of it.
    const type = Object.hasOwn(shape, option) ? shape[option] : undefined;
    if (type === undefined) throw unknownOption(name, prefix, option, shape);
    const value = given[option];
    if (value === undefined) continue;
    if (type.shape !== undefined) checkSection(name, `${prefix}${option}.`, value, type.shape);
    else if (!type.accepts(value)) throw wrongType(name, prefix + option, type, value);
  }
  for (const option in shape) {
    const type = shape[option];
    if (type.required === true && given[option] === undefined) {
      throw new StorageTypeError(`Expected option ${prefix}${option} of ${name} to be ${type.expected}; it is missing`);
    }
  }
}

function unknownOption(name: string, prefix: string, option: string, shape: Shape): StorageTypeError {
  const known = Object.keys(shape);
  const meant = nearest(option, known);
  const hint =
    meant !== undefined
      ? `; did you mean ${prefix}${meant}?`
      : known.length === 0
        ? '; it takes none'
        : `; known are ${known.join(', ')}`;
  return new StorageTypeError(`Unknown option ${prefix}${option.slice(0, 64)} of ${name}${hint}`);
}

function wrongType(name: string, option: string, type: OptionType, value: unknown): StorageTypeError {
  return new StorageTypeError(
    `Expected option ${option} of ${name} to be ${type.expected}, got ${describeGiven(type, value)}`,
  );
}

// A string is never shown, as it may be a password in the wrong place; a number only where one is expected.
function describeGiven(type: OptionType, value: unknown): string {
  if (typeof value === 'number' && /number|integer|time/.test(type.expected)) return String(value);
  if (value === '') return 'an empty string';
  return typeof value === 'string' && type.expected.startsWith("'") ? 'another string' : describeKind(value);
}

/** Any string. */
export const string: OptionType = { expected: 'a string', accepts: (value) => typeof value === 'string' };

/** A string that is not empty. */
export const nonEmptyString: OptionType = {
  expected: 'a non-empty string',
  accepts: (value) => typeof value === 'string' && value !== '',
};

/** A string that has a UTF-8 form. */
export const wellFormed: OptionType = {
  expected: 'a string without lone surrogates',
  accepts: (value) => typeof value === 'string' && value.isWellFormed(),
};

/** A name or path that the operating system can be given. */
export const text: OptionType = {
  expected: 'a non-empty string, without NUL or lone surrogates',
  accepts: (value) => typeof value === 'string' && value !== '' && !value.includes('\0') && value.isWellFormed(),
};

export const boolean: OptionType = { expected: 'a boolean', accepts: (value) => typeof value === 'boolean' };

export const callback: OptionType = { expected: 'a function', accepts: (value) => typeof value === 'function' };

/** Any object but null and arrays; what is in it is for its user to check. */
export const object: OptionType = {
  expected: 'an object',
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

export const anything: OptionType = { expected: 'anything', accepts: () => true };

/** An AbortSignal of any realm or polyfill. */
export const signal: OptionType = {
  expected: 'an AbortSignal',
  accepts: (value) =>
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    typeof (value as AbortSignal).addEventListener === 'function',
};

/** A time span in milliseconds: a finite number, not negative. */
export const milliseconds: OptionType = {
  expected: 'a number of milliseconds, 0 or more',
  accepts: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
};

/** A point in time in milliseconds since 1970. */
export const timestamp: OptionType = {
  expected: 'a time in milliseconds since 1970',
  accepts: (value) => typeof value === 'number' && Number.isFinite(value),
};

/** A safe integer from `min` to `max`. */
export function integer(min: number = 0, max: number = Number.MAX_SAFE_INTEGER): OptionType {
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`;
  return {
    expected: `an integer, ${range}`,
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

/** One of a few strings. */
export function oneOf(...values: readonly string[]): OptionType {
  const quoted = values.map((value) => `'${value}'`);
  return {
    expected: quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`,
    accepts: (value) => values.includes(value as string),
  };
}

/** Of either type, or of any of more. */
export function either(...types: readonly OptionType[]): OptionType {
  return {
    expected: types.map((type) => type.expected).join(' or '),
    accepts: (value) => types.some((type) => type.accepts(value)),
  };
}

/** The literal null, as in `ifVersion: null`. */
export const nil: OptionType = { expected: 'null', accepts: (value) => value === null };

/** An object with options of its own. */
export function section(shape: Shape): OptionType {
  return { ...object, shape };
}

/** The same type, but it has to be given. */
export function required(type: OptionType): OptionType {
  return { ...type, required: true };
}
