import { EventEmitter } from 'node:events';
import { describeKind } from '../codec/kinds.js';
import type { RetryEvent } from '../engines/hooks.js';
import { StorageTypeError } from '../errors/storage-error.js';
import type { RecoveredTransactions } from '../transactions/options.js';

/** The events of a {@link StorageManager}, with the arguments of their listeners. */
export interface StorageEvents {
  /**
   * An engine could not be connected for calls that were waiting. They reject too. Without a listener nothing is
   * thrown.
   */
  error: [error: unknown, engine: string];
  /**
   * A read, a transaction, or the opening of an engine for calls that wait failed with a retryable error and is made
   * again.
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
    this.#emitter.emit('retry', event);
  }

  reconnect(engine: string): void {
    this.#emitter.emit('reconnect', engine);
  }

  down(engine: string, error: unknown): void {
    this.#emitter.emit('down', engine, error);
  }

  up(engine: string): void {
    this.#emitter.emit('up', engine);
  }

  recovered(engine: string, transactions: RecoveredTransactions): void {
    this.#emitter.emit('recovered', engine, transactions);
  }

  /** Without a listener this does nothing, where an EventEmitter would throw. */
  error(error: unknown, engine: string): void {
    if (this.#emitter.listenerCount('error') > 0) this.#emitter.emit('error', error, engine);
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
