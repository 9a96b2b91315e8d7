import type { Buffer } from 'node:buffer';
import type { Writable } from 'node:stream';
import type { OptionType } from '../arguments/options.js';
import type { ModelCall } from '../native/model-call.js';
import { writeFileWhole } from './file-target.js';
import { hasMethod, isPath } from './source.js';

/** A web `WritableStream`, as far as it is used. */
export interface WritableBytes {
  /** Takes the stream for one writer. */
  getWriter(): {
    write(chunk: Uint8Array): Promise<void>;
    close(): Promise<void>;
    abort(reason?: unknown): Promise<void>;
    releaseLock(): void;
  };
}

/** Where bytes go: the path of a file, a Writable, or a web `WritableStream`. A stream is ended behind the bytes. */
export type ByteTarget = string | Writable | WritableBytes;

/** The type of an option that takes a {@link ByteTarget}. */
export const byteTarget: OptionType = {
  expected: 'a path, a Writable or a WritableStream',
  accepts: (value) =>
    isPath(value) || hasMethod(value, 'getWriter') || (hasMethod(value, 'write') && hasMethod(value, 'end')),
};

/** Writes `bytes`, which come from `call`, each piece once the target has room for it. */
export function pullTo(target: ByteTarget, bytes: AsyncGenerator<Buffer, void, void>, call: ModelCall): Promise<void> {
  if (typeof target === 'string') return writeFileWhole(target, bytes, () => call.check());
  return 'getWriter' in target ? toWebStream(target, bytes, call) : toWritable(target, bytes, call);
}

async function toWritable(target: Writable, bytes: AsyncGenerator<Buffer>, call: ModelCall): Promise<void> {
  // Loaded by the first export to a stream: every program would have to wait 2 ms for it.
  const { pipeline } = await import('node:stream/promises');
  const stop = new AbortController();
  try {
    await call.wait(pipeline(bytes, target, { signal: stop.signal }));
  } catch (error) {
    stop.abort();
    throw error;
  }
}

async function toWebStream(target: WritableBytes, bytes: AsyncGenerator<Buffer>, call: ModelCall): Promise<void> {
  const writer = target.getWriter();
  try {
    for await (const piece of bytes) await call.wait(writer.write(piece));
    await call.wait(writer.close());
  } catch (error) {
    writer.abort(error).catch(() => {});
    throw error;
  } finally {
    writer.releaseLock();
  }
}
