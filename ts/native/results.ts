import { decode } from '../codec/decode.js';
import type { NativeValue } from './interface.js';

// How results of the addon are read. These are plain functions, so that a call needs no closure of its own.

/** Makes what the caller asked for of the addon's result. */
export type Decode<T> = (result: never) => T;

export function nothing(): void {}

export function itself<T>(result: T): T {
  return result;
}

/** The value of a get; null if the key is absent. */
export function decodeFound<T>(found: NativeValue | null): T | null {
  return found === null ? null : decode<T>(found);
}

/** The text of an array. One that may be longer than a string can be comes in pieces, whose elements are its own. */
type ArrayText = string | string[];

export function parseKeys(text: ArrayText): string[] {
  return elements<string>(text, JSON.parse);
}

/** The values of several keys; null for an absent one. */
export function decodeMany<T>(text: ArrayText): (T | null)[] {
  return elements<T | null>(text, decode);
}

function elements<T>(text: ArrayText, parse: (piece: string) => unknown): T[] {
  return typeof text === 'string' ? (parse(text) as T[]) : text.flatMap((piece) => parse(piece) as T[]);
}

/** The outcome of each operation of a batch. */
export function outcomes<O>(text: string): O[] {
  return (JSON.parse(text) as { outcomes: O[] }).outcomes;
}
