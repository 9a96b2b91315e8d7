import { keysOf } from './keys.mjs';
import { OPERATIONS, READS, WRITES } from './operations.mjs';
import { paced } from './pace.mjs';
import { plainCall } from './plain.mjs';

const ATTEMPTS = 200; // tried for each that has to commit: more would be a livelock
const ROLLED_BACK = Symbol('rolled back on purpose');

/** Codes after which nothing of a transaction may be seen. */
const FAILED = new Set(['CONFLICT']);

/**
 * One client: transactions, one after the other, until `transactions` of them have committed.
 *
 * @param session - `{ engine, begin(options), clear(tx, folder), run?(fn) }`; `run` retries on CONFLICT by itself
 * @param epoch - says which keys are in use
 */
export async function client({ name, session, random, pace, recorder, transactions, epoch }) {
  const { pause, leave } = pace;
  const engine = paced(session.engine, pause);
  let elements = 0;
  const element = () => `${name}-${(elements += 1)}`;
  const contextOf = (attempt, tx) => ({
    tx,
    keys: keysOf(epoch()),
    random,
    record: attempt.record,
    element,
    id: attempt.id,
    wrote: new Set(),
  });

  async function body(attempt, tx, readOnly) {
    const clear = async (folder) => {
      await pause();
      await session.clear(tx, folder);
    };
    const context = { ...contextOf(attempt, paced(tx, pause)), clear };
    const weights = readOnly ? READS : { ...READS, ...WRITES };
    for (let left = 1 + random.below(5); left > 0; left -= 1) await OPERATIONS[random.weighted(weights)](context);
    if (random.chance(0.05)) throw ROLLED_BACK;
  }

  /** begin, operations, commit; a rollback if anything failed before. */
  async function transaction() {
    const attempt = recorder.begin(name);
    const readOnly = random.chance(0.15);
    const tx = await session.begin({ readOnly });
    try {
      await body(attempt, tx, readOnly);
    } catch (error) {
      await pause();
      await tx.rollback();
      attempt.end('fail');
      return refused(error);
    }
    await pause();
    return settle(attempt, tx.commit());
  }

  /** The same by `storage.transaction`, which tries again: each attempt is a transaction of the history. */
  async function retried() {
    let attempt;
    const run = session.run(async (tx) => {
      attempt?.end('fail');
      attempt = recorder.begin(name);
      await body(attempt, tx, false);
    });
    return settle({ end: (status) => attempt.end(status) }, run);
  }

  async function plain() {
    const attempt = recorder.begin(name);
    const call = plainCall({ ...contextOf(attempt), engine, attempt });
    await settle(attempt, call);
    return false;
  }

  const kinds = { transaction: 7, retried: session.run === undefined ? 0 : 2, plain: 1.5 };
  const run = { transaction, retried, plain };
  try {
    for (let committed = 0, attempts = 0; committed < transactions; attempts += 1) {
      if (attempts > ATTEMPTS * transactions)
        throw new Error(`${name}: ${committed} of ${attempts} transactions committed`);
      if (await run[random.weighted(kinds)]()) committed += 1;
    }
  } finally {
    leave();
  }
}

/** Waits for the end of a transaction, notes it, and says whether it committed. */
async function settle(attempt, ending) {
  try {
    const status = (await ending) ?? 'ok';
    attempt.end(status === 'fail' ? 'fail' : 'ok');
    return status !== 'fail';
  } catch (error) {
    if (error?.code === 'UNKNOWN_OUTCOME') return false;
    attempt.end('fail');
    return refused(error);
  }
}

/** Gives false, for a transaction that did not commit, if its error is an expected one. Any other ends the run. */
function refused(error) {
  if (error === ROLLED_BACK || FAILED.has(error?.code)) return false;
  throw error;
}
