import { AbstractSnapshot } from 'abstract-level';
import type { Engine } from '../engines/contract.js';
import type { Snapshot } from '../snapshot.js';
import { foreignSnapshot } from './errors.js';

// The declarations of abstract-level are for those who use databases, not for those who write them.
const Base = AbstractSnapshot as unknown as new (options: unknown) => AbstractSnapshot;

/** A snapshot of an engine, requested when it is made: it sees the writes requested before and none after. */
export class LevelSnapshot extends Base {
  readonly #taken: Promise<Snapshot>;

  constructor(engine: Engine, options: unknown) {
    super(options);
    this.#taken = engine.snapshot();
    this.#taken.catch(() => {}); // told to whoever reads from it
  }

  /** What the option `snapshot` of a call stands for. */
  static taken(option: unknown): Promise<Snapshot> {
    return option instanceof LevelSnapshot ? option.#taken : Promise.reject(foreignSnapshot());
  }

  /** @internal */
  async _close(): Promise<void> {
    await release(this.#taken);
  }
}

/** Closes a snapshot once it is there. */
export async function release(taken: Promise<Snapshot>): Promise<void> {
  const snapshot = await taken.catch(() => undefined);
  await snapshot?.close();
}
