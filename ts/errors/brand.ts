/**
 * Marks the errors of this package. A registered symbol, because an application may load two copies of it (CommonJS and
 * ES module, or two versions), and `instanceof` fails between copies.
 */
export const BRAND: unique symbol = Symbol.for('holdfast.StorageError');
