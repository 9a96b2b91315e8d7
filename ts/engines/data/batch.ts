import { checkPair, iterated } from '../../arguments/iterables.js';
import { checkWritableKey } from '../../arguments/keys.js';
import { anything, either, object, oneOf, required, string } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import type { Shape } from '../../arguments/options.js';
import { encodeValue } from '../../codec/encode.js';
import { describeKind } from '../../codec/kinds.js';
import type { ValueRules } from '../../codec/rules.js';
import { retrace } from '../../errors/stack.js';
import { StorageTypeError, addContext, isStorageError } from '../../errors/storage-error.js';
import type { StorageError } from '../../errors/storage-error.js';
import { checkText, clearRangeText, deleteText, setText } from '../../native/batch-text.js';
import type { NativeValue } from '../../native/interface.js';
import { toEngineDeletion } from '../../range/deletion.js';
import { rangeText } from '../../range/range.js';
import type { InnerRange } from '../../range/range.js';
import type { Range, SetOptions } from '../../types.js';
import { BATCH_SET_SHAPE, checkExpected, writeOptions } from './write-options.js';
import type { WriteOptions } from './write-options.js';

/** A checked step of a batch, with its value encoded. */
export type Step =
  | { readonly type: 'set'; readonly key: string; readonly value: NativeValue; readonly write: WriteOptions }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly range: InnerRange }
  | { readonly type: 'check'; readonly key: string; readonly version: string | null };

/** The most units of a key that a message shows. */
const LONGEST_KEY = 100;
const TYPE = required(oneOf('set', 'delete', 'deleteRange', 'check'));
const DELETE_SHAPE: Shape = { type: TYPE, key: required(string) };
const DELETE_RANGE_SHAPE: Shape = { type: TYPE, range: required(either(string, object)) };
const CHECK_SHAPE: Shape = { ...DELETE_SHAPE, version: anything };

/** What the engine of a batch says of the records that it stores. */
interface RecordRules {
  readonly rules: ValueRules;
  /** The time from which a `ttl` counts. */
  readonly now: () => number;
}

/** The steps of a batch. A condition of a set becomes a step of its own. */
export function batchSteps(operations: unknown, { rules, now }: RecordRules): Step[] {
  const steps: Step[] = [];
  for (const given of iterated(operations, 'batch', 'operations')) {
    if (typeof given !== 'object' || given === null)
      throw new StorageTypeError(`Expected each operation of batch to be an object, got ${describeKind(given)}`);
    const operation = given as { type: unknown; key: unknown; value: unknown; version: unknown; range: unknown };
    const { key } = operation;
    if (operation.type === 'set') {
      checkOptions('batch', operation, BATCH_SET_SHAPE);
      checkWritableKey(key, 'batch');
      const write = writeOptions('batch', 'batch', operation as SetOptions, rules, now);
      if (write.ifAbsent) steps.push({ type: 'check', key, version: null });
      else if (write.ifVersion !== undefined) steps.push({ type: 'check', key, version: write.ifVersion });
      steps.push({ type: 'set', key, value: encodeAt(key, operation.value, rules), write });
    } else if (operation.type === 'check') {
      checkOptions('batch', operation, CHECK_SHAPE);
      checkWritableKey(key, 'batch');
      checkExpected(operation.version, 'batch');
      steps.push({ type: 'check', key, version: operation.version });
    } else if (operation.type === 'deleteRange') {
      checkOptions('batch', operation, DELETE_RANGE_SHAPE);
      steps.push({ type: 'deleteRange', range: toEngineDeletion(operation.range as string | Range, 'deleteRange') });
    } else {
      checkOptions('batch', operation, DELETE_SHAPE);
      checkWritableKey(key, 'batch');
      steps.push({ type: 'delete', key });
    }
  }
  return steps;
}

/**
 * The text of a batch for the addon.
 *
 * @param note - Is told of each key that is written; undefined stands for those of a range.
 */
export function batchText(operations: unknown, rules: RecordRules, note: (key: string | undefined) => void): string {
  let text = '';
  for (const step of batchSteps(operations, rules)) {
    if (step.type !== 'check') note(step.type === 'deleteRange' ? undefined : step.key);
    if (step.type === 'set') text += setText(step.key, step.value, step.write);
    else if (step.type === 'delete') text += deleteText(step.key);
    else if (step.type === 'deleteRange') text += clearRangeText(rangeText(step.range));
    else text += checkText(step.key, step.version);
  }
  return text;
}

/** Checks the entries of `setMany`, and calls `take` for each with its value encoded. */
export function eachEntry(entries: unknown, rules: ValueRules, take: (key: string, value: NativeValue) => void): void {
  for (const entry of iterated(entries, 'setMany', '[key, value] pairs')) {
    checkPair(entry, 'setMany');
    const [key, value] = entry;
    checkWritableKey(key, 'setMany');
    take(key, encodeAt(key, value, rules));
  }
}

/** Encodes the value of a key. An error names the key. */
export function encodeAt(key: string, value: unknown, rules: ValueRules): NativeValue {
  try {
    return encodeValue(value, rules);
  } catch (error) {
    throw isStorageError(error) ? atKey(error, key) : error;
  }
}

/** Names the key in the error of a value. */
export function atKey<E extends StorageError | StorageTypeError>(error: E, key: string): E {
  if (error.key === undefined) {
    const shown = key.length > LONGEST_KEY ? `${key.slice(0, LONGEST_KEY)}…` : key;
    error.message += `, for the key ${JSON.stringify(shown)}`;
  }
  return retrace(addContext(error, { key }), atKey);
}
