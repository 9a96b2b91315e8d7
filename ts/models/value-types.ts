/** No value has this property. */
declare const keyMap: unique symbol;

/**
 * Says that a `KeyValueStore` has these keys, each with a type of its own.
 *
 * @example
 * const settings = storage.keyValue<KeyMap<{ theme: 'dark' | 'light'; size: number }>>('settings');
 * await settings.set('theme', 'dark');
 * const size = await settings.get('size'); // number | null
 */
export interface KeyMap<Types extends object> {
  readonly [keyMap]: Types;
}

/** The types of a {@link KeyMap}; never for any other type, `any` included. */
type TypesOf<Value> = 0 extends 1 & Value
  ? never
  : [Value] extends [KeyMap<infer Types>]
    ? { [Key in keyof Types & string]-?: Exclude<Types[Key], undefined> }
    : never;

/** The keys of a store. */
export type KeyOf<Value> = [TypesOf<Value>] extends [never] ? string : keyof TypesOf<Value> & string;

/** The value of a key. */
export type ValueAt<Value, Key extends string> = [TypesOf<Value>] extends [never]
  ? Value
  : TypesOf<Value>[Key & keyof TypesOf<Value>];

/** The values of a store. */
export type ValueOf<Value> = [TypesOf<Value>] extends [never] ? Value : TypesOf<Value>[keyof TypesOf<Value>];

/** A key with its value. */
export type EntryOf<Value> = [TypesOf<Value>] extends [never]
  ? [string, Value]
  : { [Key in KeyOf<Value>]: [Key, ValueAt<Value, Key>] }[KeyOf<Value>];

/** The keys of a store that may hold any number; none if its values are no numbers. */
export type NumberKeyOf<Value> = [TypesOf<Value>] extends [never]
  ? number extends Value
    ? string
    : never
  : { [Key in KeyOf<Value>]: number extends ValueAt<Value, Key> ? Key : never }[KeyOf<Value>];
