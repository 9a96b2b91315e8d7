// Objects that are kept alive for V8 alone.
//
// V8 gives every object a hidden class, and code that it optimised relies on hidden classes. A full garbage collection
// drops each hidden class that has no object left, and with it all code that was optimised for it. Calls and
// transactions live for microseconds, so a collection often finds none. The next ones then took about twice as long,
// until V8 had optimised the code again (docs/decisions/0014-waiting-for-short-commits.md). So one object of each kind
// is kept.
//
// What an anchored object refers to is kept with it, and has to stay in its fields: a field that is cleared at the end
// of the object's life anchors nothing.

const kept: object[] = [];

/** Keeps an object for as long as this module lives. */
export function anchor(object: object): void {
  kept.push(object);
}

/** Keeps the latest object of one kind. */
export class LatestAnchor<T extends object> {
  readonly #kept: { latest?: T | undefined } = {};

  /** Keeps `object`, and lets the one before go. */
  keep(object: T | undefined): void {
    this.#kept.latest = object;
  }

  /** Lets the object go. */
  release(): void {
    this.#kept.latest = undefined;
  }
}
