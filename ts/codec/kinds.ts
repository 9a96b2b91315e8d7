// Objects of another realm (node:vm, and with it Jest) have other prototypes, so these functions look at the shape of
// prototypes.

/** Whether `value` has no prototype, or an Object.prototype of any realm. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || isObjectPrototype(prototype as object);
}

/** Whether `array` is no instance of a subclass of Array. */
export function isPlainArray(array: readonly unknown[]): boolean {
  // Array.prototype is an array; the prototype of a subclass is not.
  const prototype: unknown = Object.getPrototypeOf(array);
  return Array.isArray(prototype) && inherits(prototype, 1);
}

/**
 * Whether `value` has `count` prototypes up to Object.prototype: 2 for a Map, 3 for a typed array. One more means a
 * subclass, whose class would be lost.
 */
export function inherits(value: object, count: number): boolean {
  let object: object | null = value;
  for (let step = 0; step < count && object !== null; step++) object = Object.getPrototypeOf(object) as object | null;
  return object !== null && isObjectPrototype(object);
}

function isObjectPrototype(object: object): boolean {
  return (
    object === Object.prototype || (Object.getPrototypeOf(object) === null && Object.hasOwn(object, 'isPrototypeOf'))
  );
}

/** The kind of `value` for a message: `a function`, `an instance of Point`. It never shows the content. */
export function describeKind(value: unknown): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'undefined':
      return 'undefined';
    case 'object':
      return Array.isArray(value) && isPlainArray(value)
        ? 'an array'
        : isPlainObject(value)
          ? 'an object'
          : describeInstance(value);
    default:
      return `a ${typeof value}`;
  }
}

function describeInstance(value: object): string {
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an instance of ${name.slice(0, 64)}` : 'an instance of a class';
}
