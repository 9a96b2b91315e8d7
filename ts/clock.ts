import { describeKind } from './codec/kinds.js';
import { StorageTypeError } from './errors/storage-error.js';
import { throwApart } from './errors/uncaught.js';
import { nativeClock } from './native/environment.js';

// The clock of the process. The core stamps records with it, and judges by it what has expired, so `ttl` counts from
// it, too. An application's own clock takes the place of the system's. It is told to the core ahead of each call.

/** Gives the time, in milliseconds since 1970. */
export type Clock = () => number;

/** The clocks of open managers. The latest one tells the time. */
const clocks: Clock[] = [];
let current: Clock | undefined;
/** The time that the core was told last. */
let told: number | undefined;

/** Lets `clock` tell the time until it is removed. */
export function addClock(clock: Clock): void {
  clocks.push(clock);
  current = clock;
}

export function removeClock(clock: Clock): void {
  const index = clocks.lastIndexOf(clock);
  if (index >= 0) clocks.splice(index, 1);
  current = clocks.at(-1);
  if (current !== undefined) tick();
  else if (told !== undefined) nativeClock().setClock((told = undefined));
}

/** Tells the core the time of the application's own clock, if there is one. */
export function tick(): void {
  if (current !== undefined) tell(current);
}

/** The time by which the stores of this process judge expiry. */
export function now(): number {
  tick();
  return nativeClock().now();
}

/** The time by which a server judges it, whatever an application's own clock says. */
export function systemNow(): number {
  return nativeClock().systemNow();
}

function tell(clock: Clock): void {
  try {
    const time = clock();
    if (typeof time !== 'number' || !(time >= 0 && time <= LATEST))
      throw new StorageTypeError(
        `Expected clock to give milliseconds since 1970, got ${typeof time === 'number' ? time : describeKind(time)}`,
      );
    if (time === told) return;
    nativeClock().setClock(Math.floor(time));
    told = time;
  } catch (error) {
    // It breaks no call, as what listeners throw does not. The time stays what it was.
    throwApart(error);
  }
}

/** The last moment that a Date can hold. */
export const LATEST = 8.64e15;
