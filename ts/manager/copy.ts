import { abortError } from '../abort.js';
import { boolean, either, string } from '../arguments/option-types.js';
import type { OptionType, Shape } from '../arguments/options.js';
import { LONG_CALL_SHAPE } from '../arguments/shapes.js';
import type { Engine, StorageEngine } from '../engines/contract.js';
import type { InternalEngine } from '../engines/internal-engine.js';
import { report } from '../engines/report.js';
import { isStorageError } from '../errors/storage-error.js';
import { access } from '../internal.js';
import { OUTSIDE_MODELS } from '../range/reserved.js';
import type { BatchOperation, Entry, LongCallOptions } from '../types.js';

/** Options of `storage.copy`. */
export interface CopyOptions extends LongCallOptions {
  /** The engine to read, or its name. */
  from: string | StorageEngine;
  /** The engine to write, or its name. */
  to: string | StorageEngine;
  /** Only keys that start with this text. Default: all. */
  prefix?: string | undefined;
  /** Whether keys that `to` has already are overwritten; else they are skipped. Default: true. */
  overwrite?: boolean | undefined;
}

/** The result of `storage.copy`. */
export interface CopyResult {
  /** The number of keys written. */
  copied: number;
  /** The number of keys skipped, because they were there and `overwrite` is false. */
  skipped: number;
}

export const ENGINE: OptionType = either(string, {
  expected: 'an engine',
  accepts: (value) => typeof value === 'object' && value !== null,
});
export const COPY_SHAPE: Shape = { ...LONG_CALL_SHAPE, from: ENGINE, to: ENGINE, prefix: string, overwrite: boolean };

const STEP_KEYS = 256;

/** Copies records with expiry and metadata, a step of keys at a time. */
export async function copyRecords(
  from: InternalEngine,
  to: Engine,
  { prefix, overwrite = true, signal, onProgress }: Omit<CopyOptions, 'from' | 'to'>,
): Promise<CopyResult> {
  const range = { prefix, ...OUTSIDE_MODELS };
  const result = { copied: 0, skipped: 0 };
  let done = 0;
  const copyStep = async (keys: string[]): Promise<void> => {
    if (signal?.aborted === true) throw abortError(signal, from.name, 'copy');
    const records = (await Promise.all(keys.map((key) => readRecord(from, key)))).filter((record) => record !== null);
    if (overwrite) {
      await to.batch(records);
      result.copied += records.length;
    } else {
      const written = await Promise.all(records.map((record) => writeIfAbsent(to, record)));
      for (const wrote of written) result[wrote ? 'copied' : 'skipped']++;
    }
    done += keys.length;
    report(onProgress, { phase: 'copy', done, total: null, bytes: null });
  };
  let step: string[] = [];
  for await (const key of from[access].iterate<string>(range, 'keys', 0)) {
    step.push(key);
    if (step.length < STEP_KEYS) continue;
    await copyStep(step);
    step = [];
  }
  await copyStep(step);
  return result;
}

type SetOperation = Extract<BatchOperation, { type: 'set' }>;

async function readRecord(from: Engine, key: string): Promise<SetOperation | null> {
  let entry: Pick<Entry, 'value' | 'expiresAt' | 'metadata'> | null;
  try {
    entry = await from.getEntry(key);
  } catch (error) {
    if (!isStorageError(error) || error.code !== 'NOT_SUPPORTED') throw error;
    // A custom engine that keeps values alone.
    const value = await from.get(key);
    entry = value === null && !(await from.has(key)) ? null : { value, expiresAt: null, metadata: null };
  }
  if (entry === null) return null;
  const { value, expiresAt, metadata } = entry;
  return { type: 'set', key, value, ...(expiresAt !== null && { expiresAt }), ...(metadata !== null && { metadata }) };
}

async function writeIfAbsent(to: Engine, { key, value, expiresAt, metadata }: SetOperation): Promise<boolean> {
  try {
    await to.set(key, value, { ifAbsent: true, expiresAt, metadata });
    return true;
  } catch (error) {
    if (isStorageError(error) && error.code === 'CONFLICT') return false;
    throw error;
  }
}
