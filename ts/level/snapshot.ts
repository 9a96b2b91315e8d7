import { AbstractSnapshot } from 'abstract-level';
import type { Engine } from '../engines/contract.js';
import type { Snapshot } from '../snapshot.js';
import { foreignSnapshot } from './errors.js';

// The declarations of abstract-level are for the users of databases, not for their authors.
const Base = AbstractSnapshot as unknown as new (options: unknown) => AbstractSnapshot;

/**
 * A snapshot of an engine. It is requested in the constructor, so it sees the writes requested before and none after.
 */
export class LevelSnapshot extends Base {
  readonly #taken: Promise<Snapshot>;

  constructor(engine: Engine, options: unknown) {
    super(options);
    this.#taken = engine.snapshot();
    this.#taken.catch(() => {}); // reads reject with it
  }

  /** The engine's snapshot for the option `snapshot` of a call. */
  static taken(option: unknown): Promise<Snapshot> {
    return option instanceof LevelSnapshot ? option.#taken : Promise.reject(foreignSnapshot());
  }

  /** @internal */
  async _close(): Promise<void> {
    await release(this.#taken);
  }
}

/** Closes a snapshot once it is taken. */
export async function release(taken: Promise<Snapshot>): Promise<void> {
  const snapshot = await taken.catch(() => undefined);
  await snapshot?.close();
}
