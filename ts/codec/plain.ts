const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;

// The writer, which knows the path, takes deeper values. Cycles are among them.
const MAX_DEPTH = 64;
const DOLLAR = 36;

/**
 * Whether `JSON.stringify` alone encodes `value`, in at most about `budget` characters. If not, the value needs a tag,
 * an escape, an error, or a closer look. With `strict`, no value with undefined in it is plain.
 *
 * This is the hot path of every write. A for-in loop costs half of `Object.keys`, and nothing is copied.
 */
export function isPlain(value: unknown, budget: number, strict: boolean): boolean {
  // With nothing to inherit, for-in gives own keys only. A check of each key would cost more than the loop.
  for (const _ in objectPrototype) return false;
  return check(value, budget, strict, 0) >= 0;
}

/** The rest of `budget` after the shortest text that `value` may have; negative if the value is not plain. */
function check(value: unknown, budget: number, strict: boolean, depth: number): number {
  switch (typeof value) {
    case 'string':
      return budget - value.length;
    case 'number':
      return isPlainNumber(value) ? budget - 1 : -1;
    case 'boolean':
      return budget - 4;
    case 'object':
      if (value === null) return budget - 4;
      if (depth >= MAX_DEPTH) return -1;
      return Array.isArray(value)
        ? checkArray(value, budget, strict, depth)
        : checkObject(value as Record<string, unknown>, budget, strict, depth);
    default:
      return -1;
  }
}

function checkObject(object: Record<string, unknown>, budget: number, strict: boolean, depth: number): number {
  const prototype: unknown = Object.getPrototypeOf(object);
  // An object without a prototype may be a JSON.rawJSON, whose text is not that of its properties.
  if (prototype !== objectPrototype && (prototype !== null || object['rawJSON'] !== undefined)) return -1;
  // JSON.stringify calls toJSON even if it is hidden or inherited.
  if (object['toJSON'] !== undefined || Object.getOwnPropertySymbols(object).length !== 0) return -1;
  let left = budget - 2;
  let count = 0;
  let last = '';
  for (const key in object) {
    const value = object[key];
    // The common types are checked here: a call for each of them would double the cost.
    if (typeof value === 'string') {
      left -= value.length;
    } else if (typeof value === 'number') {
      if (!isPlainNumber(value)) return -1;
    } else if (typeof value === 'object' && value !== null) {
      left = check(value, left, strict, depth + 1);
    } else if (value === undefined) {
      if (strict) return -1;
      continue; // JSON leaves it out, so it does not count below
    } else if (value !== null && typeof value !== 'boolean') {
      return -1;
    }
    if (left < 0) return -1;
    count++;
    last = key;
  }
  // An object with one key may look like a tag.
  return count === 1 && last.charCodeAt(0) === DOLLAR ? -1 : left;
}

function checkArray(array: readonly unknown[], budget: number, strict: boolean, depth: number): number {
  if (Object.getPrototypeOf(array) !== arrayPrototype) return -1;
  if ((array as { toJSON?: unknown }).toJSON !== undefined) return -1;
  const { length } = array;
  let left = budget - length - 1;
  for (let index = 0; index < length; index++) {
    const value = array[index];
    if (typeof value === 'string') left -= value.length;
    else if (typeof value === 'number') {
      if (!isPlainNumber(value)) return -1;
    } else if (value === undefined) {
      if (strict || !Object.hasOwn(array, index)) return -1;
    } else left = check(value, left, strict, depth + 1);
    if (left < 0) return -1;
  }
  return left;
}

function isPlainNumber(value: number): boolean {
  return value - value === 0 && !Object.is(value, -0);
}
