import type { Buffer } from 'node:buffer';
import type { ModelCall } from '../native/model-call.js';
import { itself } from '../native/results.js';
import type { Decode } from '../native/results.js';

const PAGE_BYTES = 256 << 10;

/** The pages that a call of a model gives, from the next one to the end. Each is read when it is asked for. */
export async function* pagesOf<T>(call: ModelCall, decode: Decode<T>): AsyncGenerator<T, void, void> {
  for (let page; (page = await call.next(PAGE_BYTES, decode)) !== null;) yield page;
}

/** The bytes that a call of a model gives, in pieces. Each is read when it is asked for. */
export function bytesOf(call: ModelCall): AsyncGenerator<Buffer, void, void> {
  return pagesOf(call, itself<Buffer>);
}
