import { types } from 'node:util';

/** Whether a value is an Error, also one of another realm: node:vm and with it Jest have an Error of their own. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}
