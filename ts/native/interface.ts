// What the addon offers. "Text" is canonical JSON text (docs/formats/value.md) unless said otherwise; a Buffer is a
// value that is a Buffer itself. Inline calls return `undefined` if the call has to be queued. A call that fails throws
// an Error whose message is JSON.

import type { Buffer } from 'node:buffer';

/** A value in its stored form. */
export type NativeValue = string | Buffer;

/**
 * The calls of data, as the addon numbers them (`src/store/calls.rs`). The argument is a key, a text of keys
 * (`getMany`), the text of a range (`keys`, `count`), or operations: `batch` asks for their outcomes, `write` does not.
 */
export const VERBS = {
  get: 0,
  has: 1,
  getEntry: 2,
  getMany: 3,
  keys: 4,
  count: 5,
  delete: 6,
  batch: 7,
  write: 8,
} as const;

/** The number of a call of data. */
export type Verb = (typeof VERBS)[keyof typeof VERBS];

/** The calls that take long: `verify` and `repair` tell their progress. */
export type MaintenanceVerb = 'stats' | 'verify' | 'repair' | 'compact' | 'close';

/** Queues a call of data: of a view only those that read. */
export interface NativeCalls {
  submitCall(id: number, verb: Verb, argument: string): void;
}

/** The calls of data that stores and slots have in common. */
export interface NativeDataCalls extends NativeCalls {
  tryCall(verb: Verb, argument: string): NativeValue | boolean | number | null | undefined;
  submitSet(id: number, key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
  tryView(): NativeView | undefined;
  submitView(id: number): void;
  /**
   * Starts a call of a model. `request` is the JSON text that `core/src/model/request.rs` decodes. Settles with the
   * answer, a text, or with a {@link NativeModelCall}. Reports progress under `progressId` as JSON text, and in the end
   * an empty text; 0: not at all.
   */
  submitModel(id: number, request: string, progressId: number): void;
  /** Lets a call of a model that has not answered yet end soon, with ABORTED. */
  abortModel(id: number): void;
}

/** A call of a model whose answer is a stream. Its calls are carried out in order, one at a time. */
export interface NativeModelCall {
  /** Settles with a page, which is JSON text, or with a piece of bytes; null at the end. */
  submitNext(id: number, maxBytes: number): void;
  /** Copies the chunk at once. Settles with null when there is room for the next one. */
  submitWrite(id: number, chunk: Uint8Array): void;
  /** Settles with the answer, a text, or with true if that is a stream, which comes by `submitNext`. */
  submitFinish(id: number): void;
  /** Lets the call under way end soon, and every later one at once, with ABORTED. */
  abort(): void;
  /** Gives up whatever the call holds. The call under way ends soon. Settles when nothing of it is left. */
  submitClose(id: number): void;
}

/**
 * The calls that are made most, as plain functions. The facade reads them once from the store and keeps them: they cost
 * a fraction of a method. Metadata is JSON text.
 */
export interface NativeHotCalls {
  tryGet(key: string): NativeValue | null | undefined;
  tryHas(key: string): boolean | undefined;
  /** True: done. */
  trySet(key: string, value: NativeValue, expiresAt?: number, metadata?: string): boolean | undefined;
  /** Whether the key was there. */
  tryDelete(key: string): boolean | undefined;
}

/** An open store of this environment. */
export interface NativeStore extends NativeDataCalls {
  readonly hot: NativeHotCalls;
  /** JSON of the engine's capabilities. */
  readonly capabilities: string;
  /** JSON of what the opening did for transactions that a crash had left; null if nobody asked for it. */
  readonly recovered: string | null;
  /** Makes a slot: a handle of this store for transactions. */
  slot(): NativeSlot;
  /** Rings under `bell` when there are commits to take. Throws where the engine cannot be watched. */
  watch(bell: number, range: string, since: string | undefined, maxQueue: number): NativeWatch;
  /**
   * Settles with the cursor behind everything that was requested before. The change log is on from there.
   */
  submitMark(id: number): void;
  /** Reports progress under `progressId`, as JSON text, and in the end an empty text; 0: not at all. */
  submitMaintenance(id: number, verb: MaintenanceVerb, progressId: number): void;

  /** Makes a call on this thread, which waits for it. */
  callSync(verb: Verb, argument: string): NativeValue | boolean | number | null;
  setSync(key: string, value: NativeValue, expiresAt?: number, metadata?: string): void;
}

/** The hot calls of a slot. */
export interface NativeSlotCalls extends NativeHotCalls {
  /** Begins a transaction. All calls of the slot go to it from now on. */
  begin(readOnly: boolean): void;
  /**
   * Commits. `writes` come behind what was written before. True: committed; false: queue the commit; undefined: queue
   * the writes, then the commit.
   */
  tryCommit(writes: string | undefined): boolean | undefined;
  /** Drops what was written, at once. */
  rollback(): void;
}

/** A reusable handle of a store: its calls go to the transaction that began in it most recently. */
export interface NativeSlot extends NativeDataCalls {
  readonly hot: NativeSlotCalls;
  /** Sets the name by which recovery finds the engine, and the log for transactions that begin here. */
  serve(name: string, log: NativeTransactionLog): void;
  /** Lets the calls of this slot go to the transaction in `other`. */
  join(other: NativeSlot): void;
  /** Commits behind the calls made before. */
  submitCommit(id: number): void;
}

/** A watch. The addon rings as progress with an empty text; the facade then takes what there is. */
export interface NativeWatch {
  /**
   * True: everything is told from now on; null: not yet; false: the change log has to be read first. Throws the reason
   * if the watch was over before.
   */
  readonly begun: boolean | null;
  /**
   * The next commits; null: none now; true: the change log has to be read on. Throws the reason if the watch is over.
   */
  take(max: number): string | null | true;
  submitLog(id: number): void;
  /** Ends the watch. The last progress under its bell has a text. */
  close(): void;
}

/** The part of each record that a page holds. */
export type PageContent = 'keys' | 'entries' | 'values';

/** A read-only view: a snapshot, and the source of every iterator. */
export interface NativeView extends NativeCalls {
  /** Settles with the JSON text of `[next | null, …]`. `next` is opaque and is passed on as `after`. */
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
    listener?: (text: string) => void,
    recovery?: [folder: string, name: string],
  ): void;
  openSync(
    engine: NativeEngineName,
    options: string,
    listener?: (text: string) => void,
    recovery?: [folder: string, name: string],
  ): NativeStore;
  /** An engine that this environment carries out. `traits` is JSON. */
  custom(listener: number, traits: string): NativeHost;
  /** Waits up to `microseconds`, without a sleep, for the calls that are done next: the arguments of `settle`. */
  look(microseconds: number): [ids: number[], results: unknown[]] | undefined;
  /** Announces the end of the process, and waits until no store is being opened or closed. */
  processEnds(): void;
  transactionLog(folder: string, durability: string): NativeTransactionLog;
}

/**
 * The core's side of a custom engine. The core's calls come under the listener's id as JSON text: `[call, 'begin']`,
 * `[call, 'end', kept]`, `[call, 'get', inside, key]`, `[call, 'keys', inside]`, `[call, 'write', write]`, `[call,
 * 'batch', ...writes]`. A write is `[key]` for a delete, else `[key, value, expiresAt | null, metadata | null]`. The
 * facade answers each call by one of the methods that take its id, with the count of the engine's changes.
 */
export interface NativeHost {
  /** Settles with a {@link NativeStore}. */
  open(id: number, recovery?: [folder: string, name: string]): void;
  done(call: number, changes: number): void;
  /** Without a value: the key is absent. */
  record(call: number, changes: number, value?: NativeValue, expiresAt?: number, metadata?: string): void;
  keys(call: number, changes: number, keys: string): void;
  /** `error` is the JSON of `{ code, message, key?, cause? }`. The core keeps the cause as it is. */
  fail(call: number, error: string): void;
}

/** A share of a log of transactions over several engines. */
export interface NativeTransactionLog {
  /** JSON of its figures. */
  stats(): string;
  /** Gives the share back. */
  close(): void;
}

/** The clock of the process, in milliseconds since 1970. */
export interface NativeClock {
  /** The time by which records are stamped and expire. */
  now(): number;
  /** The time of the system's clock. */
  systemNow(): number;
  /** Sets the time; without one, the system tells it. May block if the time goes back. */
  setClock(time?: number): void;
}

export interface NativeAddon extends NativeClock {
  /**
   * Called once in an environment. `results[i]` belongs to `ids[i]`. A failed call has its id with a minus sign, and
   * the JSON text of the error as its result.
   */
  init(settle: (ids: number[], results: unknown[]) => void): NativeSession;
  matchKeys(pattern: string, keys: string[]): boolean[];
  version(): string;
}
