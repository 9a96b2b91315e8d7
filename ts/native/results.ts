import { decode } from '../codec/decode.js';
import type { NativeValue } from './interface.js';

// How results of the addon are read. These are plain functions, so that a call needs no closure of its own.

/** Makes what the caller asked for of the addon's result. */
export type Decode<T> = (result: never) => T;

/** The promise of a call that is over and has no result. */
export const DONE: Promise<void> = Promise.resolve();

export function nothing(): void {}

export function itself<T>(result: T): T {
  return result;
}

/** The value of a get; null if the key is absent. */
export function decodeFound<T>(found: NativeValue | null): T | null {
  return found === null ? null : decode<T>(found);
}

export function parseKeys(text: string): string[] {
  return JSON.parse(text) as string[];
}

/** The outcome of each operation of a batch. */
export function outcomes<O>(text: string): O[] {
  return (JSON.parse(text) as { outcomes: O[] }).outcomes;
}
