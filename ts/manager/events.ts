import { EventEmitter } from 'node:events';
import { describeKind } from '../codec/kinds.js';
import type { RetryEvent } from '../engines/hooks.js';
import { StorageTypeError } from '../errors/storage-error.js';
import { callListener } from '../errors/uncaught.js';
import type { RecoveredTransactions } from '../transactions/options.js';

/**
 * The events of a {@link StorageManager}, with the arguments of their listeners. What a listener throws breaks no call:
 * it is an uncaught exception of its own.
 */
export interface StorageEvents {
  /**
   * An engine could not be connected for calls that were waiting, which reject too; the handler of a consumer without
   * `onError` has failed; a consumer has ended with an error. Without a listener nothing is thrown.
   */
  error: [error: unknown, engine: string];
  /**
   * A read, a transaction, a consumer's call to its store, or the opening of an engine for calls that wait failed with
   * a retryable error and is made again.
   */
  retry: [event: RetryEvent];
  /** An engine is connected again after a disconnect. */
  reconnect: [engine: string];
  /** The connection to the engine's server was lost. Calls wait for the next one, each for `connectTimeout`. */
  down: [engine: string, error: unknown];
  /** There is a connection again, after a `down`. */
  up: [engine: string];
  /** Transactions that a crashed process had left unfinished were finished or undone as the engine was opened. */
  recovered: [engine: string, transactions: RecoveredTransactions];
}

type Name = keyof StorageEvents;
type Listener<Event extends Name> = (...args: StorageEvents[Event]) => void;

const NAMES: readonly string[] = ['error', 'retry', 'reconnect', 'down', 'up', 'recovered'] satisfies Name[];

/** The listeners of a manager. */
export class ManagerEvents {
  readonly #emitter = new EventEmitter<StorageEvents>();

  on<Event extends Name>(event: Event, listener: Listener<Event>): void {
    this.#emitter.on(checkName(event), checkListener(listener) as never);
  }

  once<Event extends Name>(event: Event, listener: Listener<Event>): void {
    this.#emitter.once(checkName(event), checkListener(listener) as never);
  }

  off<Event extends Name>(event: Event, listener: Listener<Event>): void {
    this.#emitter.off(checkName(event), checkListener(listener) as never);
  }

  retry(event: RetryEvent): void {
    this.#tell('retry', event);
  }

  reconnect(engine: string): void {
    this.#tell('reconnect', engine);
  }

  down(engine: string, error: unknown): void {
    this.#emitter.emit('down', engine, error);
  }

  up(engine: string): void {
    this.#emitter.emit('up', engine);
  }

  recovered(engine: string, transactions: RecoveredTransactions): void {
    this.#tell('recovered', engine, transactions);
  }

  error(error: unknown, engine: string): void {
    this.#tell('error', error, engine);
  }

  /** Calls every listener. Unlike `emit`, it goes on behind one that throws, and throws nothing itself. */
  #tell<Event extends Name>(event: Event, ...args: StorageEvents[Event]): void {
    // The raw listeners of `once` remove themselves.
    for (const listener of this.#emitter.rawListeners(event)) callListener(listener as Listener<Event>, ...args);
  }
}

function checkName<Event>(event: Event): Event {
  if (NAMES.includes(event as string)) return event;
  const given = typeof event === 'string' ? `'${event}'` : describeKind(event);
  throw new StorageTypeError(`Expected an event to be one of ${NAMES.join(', ')}, got ${given}`);
}

function checkListener<F>(listener: F): F {
  if (typeof listener === 'function') return listener;
  throw new StorageTypeError(`Expected a listener to be a function, got ${describeKind(listener)}`);
}
