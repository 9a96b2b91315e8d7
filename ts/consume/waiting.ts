import { setTimeout as sleep } from 'node:timers/promises';
import { whenAborted } from '../abort.js';

/** Waits, at most until `signal` fires. Does not keep the process alive. */
export async function pause(delay: number, signal: AbortSignal): Promise<void> {
  // It rejects when the signal fires.
  await sleep(delay, undefined, { ref: false, signal }).catch(() => {});
}

/** Waits for what a user's function does, at most `grace` milliseconds longer than until `signal` fires: false then. */
export function within(result: Promise<unknown>, signal: AbortSignal, grace: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const giveUp = new AbortController();
    const startGrace = (): void =>
      void sleep(grace, undefined, { signal: giveUp.signal }).then(
        () => resolve(false),
        () => {},
      );
    let forget: (() => void) | undefined;
    if (signal.aborted) startGrace();
    else forget = whenAborted(signal, startGrace);
    const settled = (): void => {
      forget?.();
      giveUp.abort();
    };
    result.then(
      () => {
        settled();
        resolve(true);
      },
      (error: Error) => {
        settled();
        reject(error);
      },
    );
  });
}

/** The result of a promise; undefined if `signal` fires before. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const forget = whenAborted(signal, () => resolve(undefined));
    promise.finally(forget).then(resolve, reject);
  });
}

/** A gate that is open or closed. */
export class Gate {
  #closed: { readonly opened: Promise<void>; readonly open: () => void } | undefined;

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Resolves when the gate is open. */
  get passed(): Promise<void> {
    return this.#closed?.opened ?? Promise.resolve();
  }

  close(): void {
    if (this.#closed !== undefined) return;
    let open!: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    this.#closed = { opened, open };
  }

  open(): void {
    this.#closed?.open();
    this.#closed = undefined;
  }
}
