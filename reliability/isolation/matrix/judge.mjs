/**
 * Tries every serial order of a scenario's transactions: one of them has to explain what they saw and left behind.
 */
import { isDeepStrictEqual } from 'node:util';
import { INITIAL } from './subject.mjs';

const sorted = (state) => [...state].sort(([a], [b]) => a - b);

/** Runs one transaction on a copy of the state; undefined where it would have read something else than it did. */
function replay(state, { steps }) {
  const after = new Map(state);
  for (const { read, write, id, after: bound, value, result } of steps) {
    if (write !== undefined) {
      if (value === null) after.delete(write);
      else after.set(write, value);
    } else {
      const expected = read === 'get' ? (after.get(id) ?? null) : sorted(after).filter(([key]) => key > bound);
      if (!isDeepStrictEqual(result, expected)) return undefined;
    }
  }
  return after;
}

function* orders(items) {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries()) for (const rest of orders(items.toSpliced(i, 1))) yield [item, ...rest];
}

/**
 * @param subjects - the transactions of a scenario, each ended
 * @param final - the records afterwards, as [id, value]
 * @returns `{ prevented, cell }`, `cell` in the words of the table
 */
export function judge(subjects, final) {
  const ran = subjects.filter(({ outcome }) => outcome !== 'not begun');
  const committed = ran.filter(({ outcome }) => outcome === 'committed');
  const failed = ran.filter(({ outcome }) => outcome !== 'committed');
  for (const order of orders(committed)) {
    const states = [new Map(INITIAL)];
    for (const subject of order) states.push(states.at(-1) && replay(states.at(-1), subject));
    const last = states.at(-1);
    if (last === undefined || !isDeepStrictEqual(sorted(last), final)) continue;
    // A transaction that was refused or rolled back must have seen one of the states there were, too.
    if (!failed.every((subject) => states.some((state) => replay(state, subject) !== undefined))) continue;
    const refused = failed
      .filter(({ outcome }) => outcome.startsWith('CONFLICT'))
      .map(({ name, outcome }) => `${name} ${outcome}`);
    return {
      prevented: true,
      cell: refused.length > 0 ? refused.join(', ') : `as ${order.map(({ name }) => name).join(', ')}`,
    };
  }
  return { prevented: false, cell: 'ANOMALY' };
}
