import { Buffer } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { types } from 'node:util';
import type { OptionType } from '../arguments/options.js';
import { describeKind } from '../codec/kinds.js';
import { StorageTypeError } from '../errors/storage-error.js';
import type { ModelCall } from '../native/model-call.js';
import { fileError } from './file-error.js';

/** A web `ReadableStream`, as far as it is used. */
export interface ReadableBytes {
  /** Takes the stream for one reader. */
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | string | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/**
 * Bytes to read: the path of a file, the bytes themselves, a Readable or another async iterable, or a web
 * `ReadableStream`. Chunks are bytes, or strings, which stand for their UTF-8.
 */
export type ByteSource = string | Uint8Array | AsyncIterable<Uint8Array | string> | ReadableBytes;

/** The type of an option that takes a {@link ByteSource}. */
export const byteSource: OptionType = {
  expected: 'a path, a Uint8Array, an async iterable or a ReadableStream',
  accepts: (value) =>
    isPath(value) ||
    types.isUint8Array(value) ||
    hasMethod(value, Symbol.asyncIterator) ||
    hasMethod(value, 'getReader'),
};

/** The bytes that cross to the addon at one time: it is copied there. */
const PIECE_BYTES = 1 << 20;

interface Input {
  /** The next chunk; undefined at the end. */
  next(): Promise<unknown>;
  /** Gives up the rest. */
  close(reason: unknown): void;
}

/** Pushes everything of a source into a call, each chunk once there is room for it. */
export async function pushFrom(source: ByteSource, call: ModelCall): Promise<void> {
  const input = open(source);
  try {
    for (let chunk; (chunk = await call.wait(input.next())) !== undefined;) {
      const bytes = toBytes(chunk);
      for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) await call.write(bytes.subarray(at, at + PIECE_BYTES));
    }
  } catch (error) {
    input.close(error);
    throw error;
  }
}

function open(source: ByteSource): Input {
  if (typeof source === 'string') return fromFile(source);
  if (types.isUint8Array(source))
    return fromIterable(
      (async function* () {
        yield source;
      })(),
    );
  return Symbol.asyncIterator in source ? fromIterable(source) : fromWebStream(source);
}

function fromFile(path: string): Input {
  const input = fromIterable(createReadStream(path, { highWaterMark: PIECE_BYTES / 4 }));
  const failed = (error: unknown): never => {
    throw fileError(error, 'Cannot read the source of the import') as Error;
  };
  return { next: () => input.next().catch(failed), close: (reason) => input.close(reason) };
}

function fromIterable(source: AsyncIterable<unknown> & { destroy?: () => void }): Input {
  const iterator = source[Symbol.asyncIterator]();
  return {
    next: async () => {
      const result: IteratorResult<unknown> = await iterator.next();
      return result.done === true ? undefined : result.value;
    },
    close: () => {
      // The iterator of a Readable that waits for a chunk would end with that chunk alone.
      if (typeof source.destroy === 'function') source.destroy();
      else iterator.return?.().catch(() => {});
    },
  };
}

function fromWebStream(source: ReadableBytes): Input {
  const reader = source.getReader();
  return {
    next: async () => {
      const { done, value } = await reader.read();
      return done ? undefined : value;
    },
    close: (reason) => void reader.cancel(reason).catch(() => {}),
  };
}

function toBytes(chunk: unknown): Uint8Array {
  if (types.isUint8Array(chunk)) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk);
  throw new StorageTypeError(`Expected the chunks of the source to be bytes or strings, got ${describeKind(chunk)}`);
}

export function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0');
}

export function hasMethod(value: unknown, name: PropertyKey): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as Record<PropertyKey, unknown>)[name] === 'function'
  );
}
