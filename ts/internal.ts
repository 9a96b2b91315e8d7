// How one file of the facade reaches private parts of a class in another file.
//
// Each entry is a symbol, and a class offers a method or getter under it: `engine[closeForGood]()`.
// - Users cannot name the symbols, and a subclass of theirs cannot override such a method by accident.
// - TypeScript checks the calls, as the class declares the method. The tag `internal` of JSDoc keeps the method out of
//   index.d.ts.
// - V8 finds a symbol as fast as a name.
// - This file imports nothing, so no circle of imports can arise from it.
//
// To add one: write a symbol here, and in the class a method under it that has the tag.

/** An engine: closes it for ever. Calls under way finish; every later call rejects with CLOSED. */
export const closeForGood: unique symbol = Symbol('closeForGood');

/** An engine: notes that its store was opened by another call than `connect`. */
export const markConnected: unique symbol = Symbol('markConnected');

/** An engine: takes the hooks of its manager. */
export const setHooks: unique symbol = Symbol('setHooks');

/** An engine: gives the connection that opens its store. */
export const connection: unique symbol = Symbol('connection');

/** An engine or a transaction: gives the calls that models make besides the data methods. */
export const access: unique symbol = Symbol('access');

/**
 * An iterator: gives its next items, as many as are at hand, at least one and at most `max`; none at the end. Must not
 * be called while another call is under way.
 */
export const takeItems: unique symbol = Symbol('takeItems');

/** The transaction manager: gives what only the storage manager may call. */
export const supervision: unique symbol = Symbol('supervision');

/** A transaction: gives its state. */
export const state: unique symbol = Symbol('state');
