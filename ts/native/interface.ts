// What the addon offers. Text is canonical JSON text (docs/formats/value.md); a Buffer is a value that is a Buffer itself.
// Inline calls answer `undefined` for: queue it. They throw an Error whose message is JSON.

import type { Buffer } from 'node:buffer';

export type NativeValue = string | Buffer;

/** The reads a store and a view have in common, queued. */
export interface NativeReads {
  submitGet(id: number, key: string): void;
  submitHas(id: number, key: string): void;
  submitEntry(id: number, key: string): void;
  submitGetMany(id: number, keys: string): void;
  submitKeys(id: number, range: string): void;
  submitCount(id: number, range: string): void;
}

/**
 * The calls made most, as plain functions: read once from the store and kept, they cost a fraction of a method. Metadata
 * is JSON text.
 */
export interface NativeHotCalls {
  tryGet(key: string): NativeValue | null | undefined;
  tryHas(key: string): boolean | undefined;
  /** True: done. */
  trySet(key: string, value: NativeValue, expiresAt?: number, metadata?: string): boolean | undefined;
  /** Whether the key was there. */
  tryDelete(key: string): boolean | undefined;
}

/** One open store of this environment. */
export interface NativeStore extends NativeReads {
  readonly hot: NativeHotCalls;
  /** JSON of the engine's capabilities. */
  readonly capabilities: string;
  /** JSON of what was done, when it was opened, for transactions that a crash had left; null if nobody asked. */
  readonly recovered: string | null;
  /** A store over this one, whose calls go to whichever transaction has entered it last. */
  forTransactions(): NativePlace;

  tryGetMany(keys: string): string | undefined;
  tryEntry(key: string): string | null | undefined;
  tryBatch(ops: string, report: boolean): string | undefined;
  tryView(): NativeView | undefined;

  submitSet(id: number, key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
  submitDelete(id: number, key: string): void;
  submitBatch(id: number, ops: string, report: boolean): void;
  submitView(id: number): void;
  /** Rings under `bell` when there is something to take. Throws where the engine cannot be watched. */
  watch(bell: number, range: string, since: number | undefined, maxQueue: number): NativeWatch;
  submitStats(id: number): void;
  /** News of the progress settle under `progressId`, as JSON text; 0: none. */
  submitVerify(id: number, repair: boolean, progressId: number): void;
  submitCompact(id: number): void;
  submitClose(id: number): void;

  getSync(key: string): NativeValue | null;
  hasSync(key: string): boolean;
  setSync(key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
  deleteSync(key: string): boolean;
}

/** The calls of a store for transactions. */
export interface NativePlaceCalls extends NativeHotCalls {
  /** Begins a transaction, which all calls are those of from now on. */
  begin(readOnly: boolean): void;
  /** Commits, `writes` behind what was written before. True: committed; false: queue the commit; undefined: queue the writes, then the commit. */
  tryCommit(writes: string | undefined): boolean | undefined;
  /** Drops what was written, at once. */
  rollback(): void;
}

/** A store for transactions, one after another. */
export interface NativePlace extends NativeStore {
  readonly hot: NativePlaceCalls;
  /** `name` is what recovery will find the engine by, `log` where those that begin here log what they must. */
  serve(name: string, log: NativeTransactionLog): void;
  /** Makes the calls those of the transaction in `other`. */
  join(other: NativePlace): void;
  /** Commits behind the calls made before. */
  submitCommit(id: number): void;
}

/** A watch: the facade takes what there is when the bell has rung, as progress with an empty text. */
export interface NativeWatch {
  /** Whether everything committed from now on is told. */
  readonly begun: boolean;
  /** The next commits; null: nothing now; true: the log has to be read on. Throws why it is over. */
  take(max: number): string | null | true;
  submitLog(id: number): void;
  /** Ends it; the bell's last progress has a text. */
  close(): void;
}

/** What a page holds of each key. */
export type PageContent = 'keys' | 'entries' | 'values';

/** A read-only view: a snapshot, and the source of every iterator. */
export interface NativeView extends NativeReads {
  /** Settles with the JSON text of `[next | null, …]`; `next` is opaque and goes back as `after`. */
  submitPage(id: number, range: string, what: PageContent, after: string | null, maxBytes: number): void;
  close(): void;
}

export type NativeEngineName = 'memory' | 'file' | 'sqlite' | 'leveldb' | 'redis';

/** The addon in one environment: a main thread, a worker, a window. */
export interface NativeSession {
  /** Settles with a {@link NativeStore}. */
  open(
    id: number,
    engine: NativeEngineName,
    options: string,
    verbose?: (sql: string) => void,
    recovery?: [folder: string, name: string],
  ): void;
  openSync(
    engine: NativeEngineName,
    options: string,
    verbose?: (sql: string) => void,
    recovery?: [folder: string, name: string],
  ): NativeStore;
  /** An engine that this environment carries out. `traits` is JSON. */
  custom(listener: number, traits: string): NativeHost;
  /** Waits up to so many microseconds, without a sleep, for what is done next: the arguments of `settle`. */
  look(microseconds: number): [ids: number[], results: unknown[]] | undefined;
  transactionLog(folder: string, durability: string): NativeTransactionLog;
}

/**
 * An engine of a user's. Its calls come under the listener's id as JSON text: `[call, 'begin']`, `[call, 'end', kept]`,
 * `[call, 'get', inside, key]`, `[call, 'keys', inside]`, `[call, 'write', write]`, `[call, 'batch', ...writes]`. A write is
 * `[key]` for a delete, else `[key, value, expiresAt | null, metadata | null]`. Each call is answered by one of the methods that take its
 * id, with the count of the engine's changes.
 */
export interface NativeHost {
  /** Settles with a {@link NativeStore}. */
  open(id: number, recovery?: [folder: string, name: string]): void;
  done(call: number, changes: number): void;
  /** Without a value: the key is absent. */
  record(call: number, changes: number, value?: NativeValue, expiresAt?: number, metadata?: string): void;
  keys(call: number, changes: number, keys: string): void;
  /** `error` is the JSON of `{ code, message, key?, cause? }`. */
  fail(call: number, error: string): void;
}

/** A share of a log of transactions over several engines. */
export interface NativeTransactionLog {
  /** JSON of its figures. */
  stats(): string;
  /** Gives the share back. */
  close(): void;
}

export interface NativeAddon {
  /**
   * Called once an environment. `results[i]` belongs to `ids[i]`; a failed call has its id with a minus sign, and the
   * error's JSON text as its result.
   */
  init(settle: (ids: number[], results: unknown[]) => void): NativeSession;
  matchKeys(pattern: string, keys: string[]): boolean[];
  version(): string;
}
