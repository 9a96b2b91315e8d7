import { nonEmptyString, required, wellFormed } from '../arguments/option-types.js';
import type { Shape } from '../arguments/options.js';
import { LONG_CALL_SHAPE } from '../arguments/shapes.js';
import type { DataMethods, StorageEngine } from '../engines/contract.js';
import type { AccessibleData } from '../engines/data/access.js';
import { progressListener } from '../engines/report.js';
import type { ErrorCode } from '../errors/codes.js';
import { access } from '../internal.js';
import { bytesOf, pagesOf } from '../iteration/call-stream.js';
import type { ModelCall } from '../native/model-call.js';
import { nothing } from '../native/results.js';
import { byteSource, pushFrom } from '../streams/source.js';
import type { ByteSource } from '../streams/source.js';
import { byteTarget, pullTo } from '../streams/target.js';
import type { ByteTarget } from '../streams/target.js';
import type { LongCallOptions } from '../types.js';
import { ENGINE } from './copy.js';

/** Options of `storage.export`. */
export interface ExportOptions extends LongCallOptions {
  /** The format: JSON Lines. */
  format: 'jsonl';
  /** Where the bytes go. A file is there whole or not at all, and only its owner may read it. */
  target: ByteTarget;
  /** The engine to read, its name, or a transaction. Default: the manager's `defaultEngine`. */
  from?: string | StorageEngine | DataMethods | undefined;
  /** Only keys that start with this text. Default: all. */
  prefix?: string | undefined;
}

/** The result of `storage.export`. */
export interface ExportResult {
  /** The number of records. */
  exported: number;
}

/** Options of `storage.import`. */
export interface ImportOptions extends LongCallOptions {
  /** The format: JSON Lines. */
  format: 'jsonl';
  /** Where the bytes come from. */
  source: ByteSource;
  /** The engine to write, its name, or a transaction. */
  to: string | StorageEngine | DataMethods;
  /** Is put in front of every key. Default: nothing. */
  prefix?: string | undefined;
}

/** A line that an import left out. */
export interface RefusedLine {
  /** Its number, from 1 on. */
  line: number;
  /** The key, if the line has one. */
  key?: string;
  /** The code of the error. */
  code: ErrorCode;
  /** The fault. It holds no value. */
  message: string;
}

/** The result of `storage.import`. */
export interface ImportResult {
  /** The number of records written. */
  imported: number;
  /** The first thousand of the lines that were left out. */
  refused: RefusedLine[];
  /** The number of all lines that were left out. */
  refusedCount: number;
}

export const EXPORT_SHAPE: Shape = {
  ...LONG_CALL_SHAPE,
  format: required(nonEmptyString),
  target: required(byteTarget),
  from: ENGINE,
  prefix: wellFormed,
};
export const IMPORT_SHAPE: Shape = {
  ...LONG_CALL_SHAPE,
  format: required(nonEmptyString),
  source: required(byteSource),
  to: required(ENGINE),
  prefix: wellFormed,
};

export async function exportRecords(
  from: AccessibleData,
  { format, target, prefix = '', signal, onProgress }: ExportOptions,
): Promise<ExportResult> {
  const request = { transfer: { export: { format, prefix } } };
  const call = await begin(from, 'export', request, { signal, onProgress });
  let result: ExportResult | null = null;
  // The file of an export is there only once the export is over.
  const bytes = async function* () {
    yield* bytesOf(call);
    result = await call.finish(JSON.parse as (text: string) => ExportResult);
  };
  try {
    await pullTo(target, bytes(), call);
    return result!;
  } finally {
    await call.close();
  }
}

export async function importRecords(
  to: AccessibleData,
  { format, source, prefix = '', signal, onProgress }: ImportOptions,
): Promise<ImportResult> {
  const request = { transfer: { import: { format, prefix, maxValueBytes: to[access].maxValueBytes() } } };
  const call = await begin(to, 'import', request, { signal, onProgress });
  try {
    await pushFrom(source, call);
    await call.finish(nothing);
    const result: ImportResult = { imported: 0, refused: [], refusedCount: 0 };
    for await (const page of pagesOf(call, JSON.parse as (text: string) => ImportResult)) {
      Object.assign(result, page, { refused: [...result.refused, ...page.refused] });
    }
    return result;
  } finally {
    await call.close();
  }
}

/** Starts a call whose answer is a stream. */
async function begin(
  data: AccessibleData,
  operation: string,
  request: object,
  { signal, onProgress }: LongCallOptions,
): Promise<ModelCall> {
  const options = { signal, onProgress: progressListener(operation, onProgress) };
  return (await data[access].model(operation, request, options)) as ModelCall;
}
