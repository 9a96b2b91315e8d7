/* eslint-disable @typescript-eslint/unbound-method -- methods of prototypes are always called with `call` here */
import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { StorageError } from '../errors/storage-error.js';
import { describeKind, inherits, isPlainArray, isPlainObject } from './kinds.js';
import { formatPath } from './path.js';
import type { ValueRules } from './rules.js';
import { TAGS, TYPED_ARRAYS, type TypedArray, viewToBase64 } from './tags.js';

type Replacer = { toJSON?: unknown };

const hasOwn = Object.prototype.hasOwnProperty;
const isEnumerable = Object.prototype.propertyIsEnumerable;
const { isRawJSON } = JSON as { isRawJSON?: (value: unknown) => boolean };

// The methods of the prototypes, because an object may hide them.
const dateTime = Date.prototype.getTime;
const dateText = Date.prototype.toISOString;
const mapForEach = Map.prototype.forEach;
const setForEach = Set.prototype.forEach;
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

/**
 * Writes the text of any supported value: that of `JSON.stringify`, with tags for values that JSON does not have. It
 * refuses other values with their path. One writer writes one value.
 */
export class Writer {
  /** The error that this writer threw itself. The value's own code may throw others. */
  refusal: StorageError | undefined;

  readonly #path: (string | number)[] = [];
  // The containers around the current value. A container may occur twice, but not inside itself.
  readonly #ancestors = new Set<object>();
  // The characters that may still be written. It stops values whose shared references multiply.
  #budget: number;
  readonly #strict: boolean;

  constructor({ maxBytes, strictUndefined }: ValueRules) {
    this.#budget = maxBytes;
    this.#strict = strictUndefined;
  }

  /** The path of the value that is being written. */
  get path(): string {
    return formatPath(this.#path);
  }

  /** The text of `value`; undefined where JSON leaves it out. `toJSON` gets `key`. */
  write(value: unknown, key: string | number): string | undefined {
    switch (typeof value) {
      case 'string':
        return this.#spend(JSON.stringify(value));
      case 'number':
        return this.#spend(writeNumber(value));
      case 'boolean':
        return this.#spend(value ? 'true' : 'false');
      case 'bigint':
        return this.#spend(`{"$bigint":"${value}"}`);
      case 'undefined':
        return undefined;
      case 'object':
        return value === null ? this.#spend('null') : this.#writeInside(value, key);
      default:
        throw this.#refuse(describeKind(value));
    }
  }

  #writeInside(value: object, key: string | number): string | undefined {
    const { size } = this.#ancestors;
    if (this.#ancestors.add(value).size === size) throw this.#refuse('a circular reference');
    this.#spend('{}');
    const text = this.#writeObject(value, key);
    this.#ancestors.delete(value);
    return text;
  }

  #writeObject(value: object, key: string | number): string | undefined {
    if (Array.isArray(value)) {
      if (isPlainArray(value) && typeof (value as Replacer).toJSON !== 'function') return this.#writeArray(value);
    } else if (isPlainObject(value)) {
      if (isRawJSON?.(value) === true) return this.#spend((value as { rawJSON: string }).rawJSON);
      if (typeof (value as Replacer).toJSON !== 'function')
        return this.#writeProperties(value as Record<string, unknown>);
    } else {
      const text = this.#writeBuiltIn(value);
      if (text !== undefined) return this.#spend(text);
    }
    const { toJSON } = value as Replacer;
    if (typeof toJSON !== 'function')
      throw types.isPromise(value)
        ? this.#refuse('a Promise', ' (is an await missing?)')
        : this.#refuse(describeKind(value));
    return this.write(toJSON.call(value, String(key)), key);
  }

  #writeArray(array: readonly unknown[]): string {
    let text = '[';
    for (let index = 0; index < array.length; index++) {
      this.#path.push(index);
      const item = array[index];
      if (item === undefined && !hasOwn.call(array, index)) throw this.#refuse('a hole of a sparse array');
      const written = this.#strict ? this.#writeDefined(item, index) : this.write(item, index);
      text += `${index === 0 ? '' : ','}${written ?? this.#spend('null')}`;
      this.#path.pop();
    }
    return `${text}]`;
  }

  #writeProperties(object: Record<string, unknown>): string {
    for (const symbol of Object.getOwnPropertySymbols(object)) {
      if (isEnumerable.call(object, symbol)) throw this.#refuse('a symbol key');
    }
    let text = '{';
    let count = 0;
    let last = '';
    for (const key of Object.keys(object)) {
      this.#path.push(key);
      const item = this.#strict ? this.#writeDefined(object[key], key) : this.write(object[key], key);
      this.#path.pop();
      if (item === undefined) continue;
      text += `${count === 0 ? '' : ','}${this.#spend(JSON.stringify(key))}:${item}`;
      count++;
      last = key;
    }
    // Only keys that were written count: JSON leaves out an undefined one beside a tag's name.
    return count === 1 && TAGS.has(last) ? `{"$escape":${text}}}` : `${text}}`;
  }

  /** The tag of a Date, Map, …; undefined for other objects and for subclasses, whose class would be lost. */
  #writeBuiltIn(value: object): string | undefined {
    if (Buffer.isBuffer(value)) return tag('$binary', `"${viewToBase64(value, 1)}"`);
    if (types.isTypedArray(value)) return inherits(value, 3) ? this.#writeTypedArray(value) : undefined;
    if (types.isDate(value)) return inherits(value, 2) ? this.#writeDate(value) : undefined;
    if (types.isMap(value)) return inherits(value, 2) ? this.#writeMap(value) : undefined;
    if (types.isSet(value)) return inherits(value, 2) ? this.#writeSet(value) : undefined;
    if (types.isRegExp(value)) {
      if (!inherits(value, 2)) return undefined;
      return tag('$regExp', `{"source":${JSON.stringify(value.source)},"flags":${JSON.stringify(value.flags)}}`);
    }
    if (types.isArrayBuffer(value)) {
      return inherits(value, 2) ? tag('$arrayBuffer', `"${viewToBase64(new Uint8Array(value), 1)}"`) : undefined;
    }
    return undefined;
  }

  #writeTypedArray(array: TypedArray): string | undefined {
    const name = typedArrayName.call(array) as string;
    const constructor = TYPED_ARRAYS.get(name);
    if (constructor === undefined) return undefined;
    return tag('$typedArray', `{"type":"${name}","base64":"${viewToBase64(array, constructor.BYTES_PER_ELEMENT)}"}`);
  }

  #writeDate(date: Date): string {
    if (Number.isNaN(dateTime.call(date))) throw this.#refuse('an invalid Date');
    return tag('$date', `"${dateText.call(date)}"`);
  }

  #writeMap(map: ReadonlyMap<unknown, unknown>): string {
    let text = '';
    let index = 0;
    mapForEach.call(map, (item, key) => {
      this.#path.push(index, 0);
      text += `${index === 0 ? '' : ','}[${this.#writeDefined(key, 0)},`;
      this.#path[this.#path.length - 1] = 1;
      text += `${this.#writeDefined(item, 1)}]`;
      this.#path.length -= 2;
      index++;
    });
    return tag('$map', `[${text}]`);
  }

  #writeSet(set: ReadonlySet<unknown>): string {
    let text = '';
    let index = 0;
    setForEach.call(set, (item) => {
      this.#path.push(index);
      text += `${index === 0 ? '' : ','}${this.#writeDefined(item, index)}`;
      this.#path.pop();
      index++;
    });
    return tag('$set', `[${text}]`);
  }

  /** The text of a value in a place where undefined would come back as something else. */
  #writeDefined(value: unknown, key: string | number): string {
    const text = this.write(value, key);
    if (text === undefined) throw this.#refuse('undefined');
    return text;
  }

  #spend(text: string): string {
    this.#budget -= text.length;
    if (this.#budget < 0) {
      this.refusal = new StorageError('VALUE_TOO_LARGE', 'The encoded value is larger than the limit');
      throw this.refusal;
    }
    return text;
  }

  #refuse(what: string, hint = ''): StorageError {
    this.refusal = new StorageError('UNSUPPORTED_VALUE', `Cannot store ${what} at ${this.path}${hint}`);
    return this.refusal;
  }
}

function tag(name: string, content: string): string {
  return `{"${name}":${content}}`;
}

function writeNumber(value: number): string {
  if (value - value !== 0) return `{"$number":"${value}"}`;
  return Object.is(value, -0) ? '{"$number":"-0"}' : String(value);
}
