import { refused } from '../answers.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { PageIterator } from '../iteration/page-iterator.js';
import { watching } from '../watch/iterator.js';

/** The methods of a class by what they return, each with the names of its parameters, such as `'key, options'`. */
export interface MethodTable {
  readonly promises?: Readonly<Record<string, string>>;
  readonly iterators?: Readonly<Record<string, string>>;
  readonly watches?: Readonly<Record<string, string>>;
  readonly values?: Readonly<Record<string, string>>;
}

type Method = (this: unknown, a?: unknown, b?: unknown, c?: unknown, d?: unknown) => unknown;
type Refuse = (error: StorageTypeError) => unknown;

const REFUSALS: { readonly [Kind in keyof MethodTable]-?: Refuse } = {
  promises: (error) => refused(error),
  iterators: (error) => new PageIterator(() => refused(error)),
  watches: (error) =>
    watching(() => {
      throw error;
    }),
  values: (error) => {
    throw error;
  },
};

/**
 * Makes the methods of a class refuse arguments that they do not take, in the way in which they report other errors. An
 * argument that is ignored is often an option that was given in the wrong place. Undefined counts as absent.
 */
export function refuseExtraArguments(type: { readonly prototype: object }, table: MethodTable): void {
  const prototype = type.prototype as Record<string, Method>;
  for (const kind of Object.keys(table) as (keyof MethodTable)[]) {
    for (const [name, parameters] of Object.entries(table[kind]!)) {
      const value = limited(prototype[name], name, parameters, REFUSALS[kind]);
      Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false });
    }
  }
}

/** No method has more than four parameters. Passing them on by name is faster than a list of arguments. */
function limited(method: Method, name: string, parameters: string, refuse: Refuse): Method {
  const most = parameters === '' ? 0 : parameters.split(', ').length;
  const checked = function (this: unknown, a?: unknown, b?: unknown, c?: unknown, d?: unknown): unknown {
    // eslint-disable-next-line prefer-rest-params -- its length is all that is read of a call that is right
    const given = arguments;
    if (given.length > most && hasMore(given, most))
      return refuse(tooMany(name, parameters, given.length, this as { name?: unknown }));
    return method.call(this, a, b, c, d);
  };
  Object.defineProperty(checked, 'name', { value: name, configurable: true });
  Object.defineProperty(checked, 'length', { value: method.length, configurable: true });
  return checked;
}

function hasMore(given: ArrayLike<unknown>, most: number): boolean {
  for (let index = most; index < given.length; index++) if (given[index] !== undefined) return true;
  return false;
}

function tooMany(name: string, parameters: string, given: number, owner: { name?: unknown }): StorageTypeError {
  const takes = parameters === '' ? `${name}() takes no arguments` : `${name}(${parameters}) takes no more arguments`;
  const engine = typeof owner?.name === 'string' ? owner.name : undefined;
  return new StorageTypeError(`${takes}, got ${given}; leave out what it does not take`, { operation: name, engine });
}

/** The parameters of the data methods. */
export const DATA_METHODS = {
  promises: {
    get: 'key, options',
    set: 'key, value, options',
    delete: 'key, options',
    has: 'key, options',
    keys: 'query, options',
    count: 'query, options',
    clear: 'query, options',
    getMany: 'keys, options',
    setMany: 'entries, options',
    deleteMany: 'keys, options',
    batch: 'operations, options',
    compareAndSet: 'key, expected, value, options',
    increment: 'key, by, options',
    getEntry: 'key, options',
  },
  iterators: { entries: 'query, options', values: 'query, options', keysIterator: 'query, options' },
} as const satisfies MethodTable;

/** The parameters of the methods that an engine has besides. */
export const ENGINE_METHODS = {
  promises: { ...DATA_METHODS.promises, snapshot: '', stats: '', verify: 'options', compact: '' },
  iterators: DATA_METHODS.iterators,
  watches: { watch: 'pattern, options' },
  values: { getSync: 'key', hasSync: 'key', setSync: 'key, value, options', deleteSync: 'key' },
} as const satisfies MethodTable;
