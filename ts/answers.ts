import { elapsed, setImmediate } from './timers.js';

// The promises of calls that were carried out at once.
//
// Such a promise is settled before the event loop goes on. A loop of awaited calls would keep it from ever going on: no
// timer would fire, no signal be handled, no socket be read. So once the event loop has stood still for some
// milliseconds, answers give way: they come when it has turned.

/** How many milliseconds the event loop may stand still before answers give way. */
const LONGEST = 4;
/** After how many answers the clock is looked at, if they come fast. */
const FAST = 64;

let answersToLook = 1;
let lookedAt = 0;
let watchedSince = 0;
/** How far the suspicion goes that a loop of awaited calls is running. */
let stage: 'none' | 'watching' | 'long' | 'awaited' | 'giving way' = 'none';
/** Settles when the event loop has turned, while answers give way. */
let turn: Promise<void> | undefined;
let endTurn: (() => void) | undefined;

/** The promise of a result that is there already. */
export function answered<T>(result: T): Promise<T> {
  return --answersToLook > 0 || isTimely() ? Promise.resolve(result) : turn!.then(() => result);
}

const DONE: Promise<void> = Promise.resolve();

/** The promise of a call that is over and has no result. */
export function done(): Promise<void> {
  return --answersToLook > 0 || isTimely() ? DONE : turn!;
}

/** The promise of a call that failed already. */
export function refused(error: unknown): Promise<never> {
  const reason = error as Error; // a user's code may throw anything, which passes as it is
  if (--answersToLook > 0 || isTimely()) return Promise.reject(reason);
  return turn!.then(() => {
    throw reason;
  });
}

/** What a call waits for that another party may carry out at once; undefined: nothing. */
export function pause(): Promise<void> | undefined {
  return --answersToLook > 0 || isTimely() ? undefined : turn;
}

/** Whether callers are waiting for the event loop alone. */
export function isGivingWay(): boolean {
  return stage === 'giving way';
}

/** Whether answers may still come at once. */
function isTimely(): boolean {
  if (stage === 'giving way') return false;
  const now = elapsed();
  // Slow calls are looked at one by one.
  answersToLook = now - lookedAt > 1 ? 1 : FAST;
  lookedAt = now;
  if (stage === 'awaited') {
    stage = 'giving way';
    answersToLook = 0;
    turn = new Promise((resolve) => (endTurn = resolve));
    return false;
  }
  if (stage === 'long' || now - watchedSince < LONGEST) return true;
  if (stage === 'none') {
    watchedSince = now;
    stage = 'watching';
    setImmediate(turned);
  } else {
    // If no job runs before the next look, the calls come from one function that does not await them.
    stage = 'long';
    void DONE.then(() => {
      if (stage === 'long') stage = 'awaited';
    });
  }
  return true;
}

function turned(): void {
  stage = 'none';
  endTurn?.();
  turn = endTurn = undefined;
}
