import { check } from '../checker/index.mjs';
import { together } from '../../lib/members.mjs';
import { openSession } from '../session.mjs';
import { runClients } from './run.mjs';

const MEMBER = new URL('./member.mjs', import.meta.url);
const CLIENTS = 8;
const MEMBERS = 3;

/** Ways to run the clients of a history. `threads` share one open store, each of `processes` opens its own. */
export const MODES = {
  memory: ['stepwise', 'freely'],
  file: ['stepwise', 'freely', 'threads'],
  sqlite: ['stepwise', 'freely', 'threads', 'processes'],
  leveldb: ['stepwise', 'freely', 'threads'],
  redis: ['stepwise', 'freely', 'processes'],
};

/** Runs one history on a store of its own and checks it. @returns the checker's report and the seconds it all took */
export async function runHistory({ place, mode, seed, transactions }) {
  const began = performance.now();
  const history =
    mode === 'threads' || mode === 'processes'
      ? await shared({ place, mode, seed, transactions })
      : await alone({ place, mode, seed, transactions });
  return { ...check(history, { realTime: true }), seconds: (performance.now() - began) / 1000, history };
}

async function alone({ place, mode, seed, transactions }) {
  const session = await openSession(place);
  try {
    return await runClients({ session, seed, clients: CLIENTS, transactions, pace: mode });
  } finally {
    await session.close();
  }
}

async function shared({ place, mode, seed, transactions }) {
  const configs = Array.from({ length: MEMBERS }, (_, i) => ({
    place,
    name: `${mode === 'threads' ? 't' : 'p'}${i}c`,
    seed: `${seed} ${i}`,
    clients: Math.ceil(CLIENTS / MEMBERS),
    transactions: Math.ceil(transactions / MEMBERS),
    share: MEMBERS,
  }));
  return (await together(mode, MEMBER, configs)).flat();
}
