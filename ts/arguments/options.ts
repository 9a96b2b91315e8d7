import { describeKind, isPlainObject } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { nearest } from './nearest.js';

/** A type that an option may have. */
export interface OptionType {
  /** The end of the message "Expected option x to be …". */
  readonly expected: string;
  accepts(value: unknown): boolean;
  readonly required?: boolean;
  /** The options of an option that is an object itself. */
  readonly shape?: Shape;
}

/** The options that a method or a section of the configuration takes, by name. */
export type Shape = Readonly<Record<string, OptionType>>;

/**
 * Throws unless `options` is undefined, or an object whose options are all in `shape` and have the type given there. An
 * option that is undefined counts as absent. Messages name options and types and never show the value of an option.
 *
 * @param name - The class or method that takes the options, such as `'SQLiteStorage'` or `'set'`.
 */
export function checkOptions(name: string, options: unknown, shape: Shape): void {
  checkSection(name, '', options, shape);
}

function checkSection(name: string, prefix: string, options: unknown, shape: Shape): void {
  if (options === undefined && prefix === '') options = {};
  if (typeof options !== 'object' || options === null || !isOptions(options)) {
    const what = prefix === '' ? `the options of ${name}` : `option ${prefix.slice(0, -1)} of ${name}`;
    const hint = shape['signal']?.accepts(options) === true ? '; give it as { signal }' : '';
    throw new StorageTypeError(`Expected ${what} to be an object, got ${describeKind(options)}${hint}`);
  }
  const given = options as Record<string, unknown>;
  for (const option of Object.keys(given)) {
    // A shape is an object literal, so a plain look-up would find `constructor` and `__proto__`.
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

/**
 * Whether options can be read from an object. Those of a Date, a RegExp, a Map or an AbortSignal would all seem to be
 * absent.
 */
export function isOptions(given: object): boolean {
  return !Array.isArray(given) && (isPlainObject(given) || Object.keys(given).length > 0);
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

// A string is never shown: it may be a password in the wrong place. A number is shown only where one is expected.
function describeGiven(type: OptionType, value: unknown): string {
  if (typeof value === 'number' && /number|integer|time/.test(type.expected)) return String(value);
  if (value === '') return 'an empty string';
  return typeof value === 'string' && type.expected.startsWith("'") ? 'another string' : describeKind(value);
}
