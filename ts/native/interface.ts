// What the addon offers. Text is canonical JSON text (docs/formats/value.md); a Buffer is a value that is a Buffer itself.
// Inline calls answer `undefined` for: queue it. They throw an Error whose message is JSON.

import type { Buffer } from 'node:buffer';

export type NativeValue = string | Buffer;

/** The reads a store and a view have in common, queued. */
export interface NativeReads {
  submitGet(id: number, key: string): void;
  submitHas(id: number, key: string): void;
  submitGetMany(id: number, keys: string): void;
  submitKeys(id: number, range: string): void;
  submitCount(id: number, range: string): void;
}

/** One open store of this environment. */
export interface NativeStore extends NativeReads {
  tryGet(key: string): NativeValue | null | undefined;
  tryHas(key: string): boolean | undefined;
  tryGetMany(keys: string): string | undefined;
  trySet(key: string, value: NativeValue, expiresAt?: number, metadata?: string): boolean | undefined;
  tryDelete(key: string): boolean | undefined;
  tryBatch(ops: string, report: boolean): string | undefined;
  tryEntry(key: string): string | null | undefined;

  submitEntry(id: number, key: string): void;
  submitSet(id: number, key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
  submitDelete(id: number, key: string): void;
  submitBatch(id: number, ops: string, report: boolean): void;
  submitView(id: number): void;
  submitStats(id: number): void;
  submitVerify(id: number, repair: boolean, progressId: number): void;
  submitCompact(id: number): void;
  submitClose(id: number): void;

  getSync(key: string): NativeValue | null;
  hasSync(key: string): boolean;
  setSync(key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
  deleteSync(key: string): boolean;

  /** Drops interest in a queued call. True: its settle will not come. */
  cancel(id: number): boolean;
  /** JSON of the engine's capabilities. */
  readonly capabilities: string;
}

/** What a page holds of each key. */
export type PageContent = 'keys' | 'entries' | 'values';

/** A read-only view: a snapshot, and the source of every iterator. */
export interface NativeView extends NativeReads {
  submitEntry?(id: number, key: string): void;
  /** Settles with the JSON text of `[next | null, …]`; `next` is opaque and goes back as `after`. */
  submitPage(id: number, range: string, what: PageContent, after: string | null, maxBytes: number): void;
  close(): void;
}

export type NativeEngineName = 'memory' | 'file' | 'sqlite' | 'leveldb' | 'redis';

export interface NativeAddon {
  /**
   * Called once an environment. `results[i]` belongs to `ids[i]`; a failed call has the id `-(id + 1)` and the error's
   * JSON text as its result.
   */
  init(settle: (ids: number[], results: unknown[]) => void): void;
  open(id: number, engine: NativeEngineName, options: string, verbose?: (sql: string) => void): void;
  openSync(engine: NativeEngineName, options: string, verbose?: (sql: string) => void): NativeStore;
  matchKeys(pattern: string, keys: string[]): boolean[];
  readonly version: string;
}
