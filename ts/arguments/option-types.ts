import type { OptionType, Shape } from './options.js';

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

/** Any object but null and arrays. Its content is not checked. */
export const object: OptionType = {
  expected: 'an object',
  accepts: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

export const anything: OptionType = { expected: 'anything', accepts: () => true };

/** An AbortSignal, also one of another realm or of a polyfill. */
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

/** A point in time, in milliseconds since 1970. */
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

/** A value of any of several types. */
export function either(...types: readonly OptionType[]): OptionType {
  return {
    expected: types.map((type) => type.expected).join(' or '),
    accepts: (value) => types.some((type) => type.accepts(value)),
  };
}

/** An object that has options of its own. */
export function section(shape: Shape): OptionType {
  return { ...object, shape };
}

/** The same type for an option that must be given. */
export function required(type: OptionType): OptionType {
  return { ...type, required: true };
}
