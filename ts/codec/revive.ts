import { Buffer } from 'node:buffer';
import { TAGS, TYPED_ARRAYS, base64ToBytes } from './tags.js';

type Container = Record<string | number, unknown>;

const BIGINT = /^(?:0|-?[1-9][0-9]*)$/;
const NUMBERS: ReadonlyMap<unknown, number> = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
]);

/**
 * Replaces the tags in a result of `JSON.parse`, in place. It does not recurse, so no text is nested too deep. It
 * assigns to own properties only, so `__proto__` stays one.
 */
export function revive(root: unknown): unknown {
  const top: Container = { root };
  // Parallel lists: each container of the value is `holders[index][keys[index]]`. Parents come before children.
  const holders: Container[] = [];
  const keys: (string | number)[] = [];
  if (isContainer(root)) {
    holders.push(top);
    keys.push('root');
  }
  for (let index = 0; index < holders.length; index++) {
    // The object in $escape is the user's own: only its content may have tags.
    const value = at(holders, keys, index);
    pushChildren(escaped(value) ?? value, holders, keys);
  }
  // Children come before parents here: a Map is built from revived entries.
  for (let index = holders.length - 1; index >= 0; index--) {
    const value = at(holders, keys, index);
    const revived = Array.isArray(value) ? value : (escaped(value) ?? reviveTag(value));
    if (revived !== value) holders[index][keys[index]] = revived;
  }
  return top['root'];
}

function at(holders: readonly Container[], keys: readonly (string | number)[], index: number): Container {
  return holders[index][keys[index]] as Container;
}

function pushChildren(value: Container, holders: Container[], keys: (string | number)[]): void {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (isContainer(value[index])) {
        holders.push(value);
        keys.push(index);
      }
    }
    return;
  }
  for (const key of Object.keys(value)) {
    if (isContainer(value[key])) {
      holders.push(value);
      keys.push(key);
    }
  }
}

function isContainer(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** The only key of a one-key object. */
function onlyKey(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const keys = Object.keys(value);
  return keys.length === 1 ? keys[0] : undefined;
}

/** The object in `{"$escape":{"$…":…}}`. */
function escaped(value: Container): Container | undefined {
  if (onlyKey(value) !== '$escape') return undefined;
  const inner = value['$escape'];
  const key = onlyKey(inner);
  return key !== undefined && TAGS.has(key) ? (inner as Container) : undefined;
}

/** The value of a tag in its exact shape. Any other object is returned as it is. */
function reviveTag(value: Container): unknown {
  const key = onlyKey(value);
  if (key === undefined || key.charCodeAt(0) !== 36) return value;
  const content = value[key];
  switch (key) {
    case '$date':
      return reviveDate(content) ?? value;
    case '$binary': {
      const bytes = reviveBytes(content, 1);
      return bytes === undefined ? value : Buffer.from(bytes);
    }
    case '$typedArray':
      return reviveTypedArray(content) ?? value;
    case '$arrayBuffer':
      return reviveBytes(content, 1) ?? value;
    case '$map':
      return Array.isArray(content) && content.every(isEntry) ? new Map(content) : value;
    case '$set':
      return Array.isArray(content) ? new Set(content) : value;
    case '$regExp':
      return reviveRegExp(content) ?? value;
    case '$bigint':
      return reviveBigint(content) ?? value;
    case '$number':
      return NUMBERS.get(content) ?? value;
    default:
      return value;
  }
}

function reviveDate(content: unknown): Date | undefined {
  if (typeof content !== 'string') return undefined;
  const date = new Date(content);
  return !Number.isNaN(date.getTime()) && date.toISOString() === content ? date : undefined;
}

function reviveBytes(content: unknown, elementBytes: number): ArrayBuffer | undefined {
  return typeof content === 'string' ? base64ToBytes(content, elementBytes) : undefined;
}

function reviveTypedArray(content: unknown): unknown {
  const fields = stringFields(content, 'type', 'base64');
  const constructor = fields && TYPED_ARRAYS.get(fields[0]);
  const bytes = constructor && reviveBytes(fields[1], constructor.BYTES_PER_ELEMENT);
  return bytes && new constructor(bytes);
}

function reviveRegExp(content: unknown): RegExp | undefined {
  const fields = stringFields(content, 'source', 'flags');
  if (fields === undefined) return undefined;
  try {
    const regExp = new RegExp(fields[0], fields[1]);
    return regExp.source === fields[0] && regExp.flags === fields[1] ? regExp : undefined;
  } catch {
    return undefined; // no pattern of this runtime, so the tag stays a plain object
  }
}

function reviveBigint(content: unknown): bigint | undefined {
  try {
    return typeof content === 'string' && BIGINT.test(content) ? BigInt(content) : undefined;
  } catch {
    return undefined; // too many digits for this runtime
  }
}

function stringFields(content: unknown, first: string, second: string): [string, string] | undefined {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return undefined;
  const fields = content as Container;
  const keys = Object.keys(fields);
  if (keys.length !== 2 || !keys.includes(first) || !keys.includes(second)) return undefined;
  const a = fields[first];
  const b = fields[second];
  return typeof a === 'string' && typeof b === 'string' ? [a, b] : undefined;
}

function isEntry(entry: unknown): boolean {
  return Array.isArray(entry) && entry.length === 2;
}
