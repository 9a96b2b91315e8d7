import { together } from '../../lib/members.mjs';
import { openSession } from '../session.mjs';

const MEMBER = new URL('./member.mjs', import.meta.url);

export const WAYS = ['read and write', 'increment in a transaction', 'increment'];

/** Two processes add one to a counter `times` times each. @returns the counter's value, and the seconds it took */
export async function countTogether({ place, way, times }) {
  const began = performance.now();
  await together(
    'processes',
    MEMBER,
    [1, 2].map(() => ({ place, way, times })),
  );
  const seconds = (performance.now() - began) / 1000;
  const session = await openSession(place);
  try {
    return { value: await session.engine.get('counter'), expected: 2 * times, seconds };
  } finally {
    await session.close();
  }
}

/** The code of the error that a second process gets when it opens a store which this one has open. */
export async function openSecond({ place }) {
  const session = await openSession(place);
  try {
    await together('processes', MEMBER, [{ place, way: 'increment', times: 1 }]);
    return 'ok';
  } catch (error) {
    return /LOCKED/.exec(error.message)?.[0] ?? error.message;
  } finally {
    await session.close();
  }
}
