import { DEFAULT_MAX_VALUE_BYTES } from './tags.js';

/** What a manager says of the values that its engines store. */
export interface ValueRules {
  /** The most UTF-8 bytes of an encoded value. */
  readonly maxBytes: number;
  /** Whether undefined inside arrays and objects is refused. Else JSON's rules hold. */
  readonly strictUndefined: boolean;
}

export const DEFAULT_RULES: ValueRules = { maxBytes: DEFAULT_MAX_VALUE_BYTES, strictUndefined: false };
