import { anything, boolean, milliseconds, signal, string, timestamp } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import type { Shape } from '../../arguments/options.js';
import { LATEST, now } from '../../clock.js';
import { encodeValue } from '../../codec/encode.js';
import { describeKind } from '../../codec/kinds.js';
import { DEFAULT_RULES } from '../../codec/rules.js';
import type { ValueRules } from '../../codec/rules.js';
import { StorageTypeError } from '../../errors/storage-error.js';
import { asText } from '../../native/batch-text.js';
import type { DeleteOptions, RecordOptions, SetManyOptions, SetOptions } from '../../types.js';

const RECORD_SHAPE: Shape = { ttl: milliseconds, expiresAt: timestamp, metadata: anything, signal };
const SET_MANY_SHAPE: Shape = { ...RECORD_SHAPE, ifAbsent: boolean };
const SET_SHAPE: Shape = { ...SET_MANY_SHAPE, ifVersion: string };
export const BATCH_SET_SHAPE: Shape = { ...SET_SHAPE, type: string, key: anything, value: anything };
const DELETE_SHAPE: Shape = { ifVersion: string, signal };
const SHAPES = { record: RECORD_SHAPE, setMany: SET_MANY_SHAPE, set: SET_SHAPE, batch: BATCH_SET_SHAPE } as const;

/** The options of a write, checked and encoded. */
export interface WriteOptions {
  readonly expiresAt: number | undefined;
  /** JSON text. */
  readonly metadata: string | undefined;
  readonly ifVersion: string | undefined;
  readonly ifAbsent: boolean;
  readonly signal: AbortSignal | undefined;
}

const NO_OPTIONS: WriteOptions = {
  expiresAt: undefined,
  metadata: undefined,
  ifVersion: undefined,
  ifAbsent: false,
  signal: undefined,
};
const NO_DELETE_OPTIONS: DeleteOptions = {};

/**
 * Checks and encodes the options of a write.
 *
 * @param kind - Names the options that the method takes.
 * @param time - The time from which a `ttl` counts.
 */
export function writeOptions(
  operation: string,
  kind: keyof typeof SHAPES,
  options: SetOptions | SetManyOptions | RecordOptions | undefined,
  rules: ValueRules = DEFAULT_RULES,
  time: () => number = now,
): WriteOptions {
  if (options === undefined) return NO_OPTIONS;
  checkOptions(operation, options, SHAPES[kind]);
  const { ttl, expiresAt, metadata, ifVersion, ifAbsent, signal } = options as SetOptions;
  if (ttl !== undefined && expiresAt !== undefined)
    throw new StorageTypeError(`Expected one of the options ttl and expiresAt of ${operation}, got both`);
  if (ttl === 0) throw new StorageTypeError(`Expected option ttl of ${operation} to be more than 0`);
  if (ifVersion !== undefined && ifAbsent === true) {
    throw new StorageTypeError(`Expected one of the options ifVersion and ifAbsent of ${operation}, got both`);
  }
  return {
    expiresAt: moment(ttl === undefined ? expiresAt : time() + ttl),
    metadata: metadata === undefined ? undefined : asText(encodeValue(metadata, rules)),
    ifVersion: ifVersion === undefined ? undefined : checkVersion(ifVersion, operation),
    ifAbsent: ifAbsent === true,
    signal,
  };
}

/** The checked options of a delete. */
export function deleteOptions(options: DeleteOptions | undefined): DeleteOptions {
  checkOptions('delete', options, DELETE_SHAPE);
  if (options?.ifVersion !== undefined) checkVersion(options.ifVersion, 'delete');
  return options ?? NO_DELETE_OPTIONS;
}

/** Throws unless `version` is null or may be a version. */
export function checkExpected(version: unknown, operation: string): asserts version is string | null {
  if (version === null) return;
  if (typeof version !== 'string') {
    throw new StorageTypeError(
      `Expected the version given to ${operation} to be a string or null, got ${describeKind(version)}`,
    );
  }
  checkVersion(version, operation);
}

function moment(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.min(LATEST, Math.max(0, Math.ceil(time)));
}

// Versions of the built-in engines are hexadecimal. A custom engine may have others, but none holds a NUL.
function checkVersion(version: string, operation: string): string {
  if (version === '' || version.includes('\0'))
    throw new StorageTypeError(`Expected the version given to ${operation} to be one that a call returned`);
  return version;
}
