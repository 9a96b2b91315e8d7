// The checks of isolation on stores that are broken on purpose: they have to find each defect, and nothing else.
import test from 'ava';
import { check } from '../../reliability/isolation/checker/index.mjs';
import { PAST, breakSession } from '../../reliability/isolation/broken-session.mjs';
import { DEFECTS, VersionedStore, sessionOf } from '../../reliability/isolation/broken-store.mjs';
import { runClients } from '../../reliability/isolation/histories/run.mjs';
import { actor } from '../../reliability/isolation/matrix/actors.mjs';
import { runMatrix } from '../../reliability/isolation/matrix/index.mjs';
import { SCENARIOS } from '../../reliability/isolation/matrix/scenarios.mjs';
import { openSession } from '../../reliability/isolation/session.mjs';

const run = (defect, options) =>
  runClients({ session: sessionOf(new VersionedStore(defect)), clients: 8, transactions: 1000, ...options });
const namesIn = (history) => new Set(check(history, { realTime: true }).anomalies.map(({ name }) => name));

for (const pace of ['stepwise', 'freely']) {
  test(`a serializable store shows no anomaly, ${pace}`, async (t) => {
    for (const seed of [1, 2, 3]) {
      const history = await run({}, { pace, seed });
      const { anomalies, failed, edges } = check(history, { realTime: true });
      t.deepEqual(anomalies, [], `seed ${seed}`);
      t.true(failed > 200 && edges > 5000, 'the clients were in each other’s way');
    }
  });
}

for (const [title, { finds, ...defect }] of Object.entries(DEFECTS)) {
  test(`found: ${title}`, async (t) => {
    const found = namesIn(await run(defect, { seed: 1 }));
    for (const name of finds) t.true(found.has(name), `${name} is not among ${[...found].join(', ') || 'nothing'}`);
  });
}

for (const [title, { calls, finds }] of Object.entries(PAST)) {
  test(`found on a real engine: ${title}`, async (t) => {
    const session = await openSession({ name: 'memory', options: {} });
    t.teardown(() => session.close());
    const found = namesIn(
      await runClients({ session: breakSession(session, calls), seed: 1, clients: 8, transactions: 1000 }),
    );
    for (const name of finds) t.true(found.has(name), `${name} is not among ${[...found].join(', ') || 'nothing'}`);
  });
}

test('snapshot isolation shows write skew alone', async (t) => {
  const [, snapshotIsolation] = Object.entries(DEFECTS).find(([title]) => title.includes('snapshot isolation'));
  t.deepEqual([...namesIn(await run(snapshotIsolation, { seed: 2 }))].sort(), ['G2', 'G2-item']);
});

test('stepwise, a seed gives the same history again', async (t) => {
  const outline = (history) => history.map(({ id, status, ops }) => ({ id, status, ops }));
  const once = outline(await run({}, { pace: 'stepwise', seed: 7, transactions: 200 }));
  t.deepEqual(outline(await run({}, { pace: 'stepwise', seed: 7, transactions: 200 })), once);
  t.notDeepEqual(outline(await run({}, { pace: 'stepwise', seed: 8, transactions: 200 })), once);
});

test('a serializable store passes the scenarios of Hermitage, each defect fails its own', async (t) => {
  const anomalies = async (defect) => {
    const store = new VersionedStore(defect);
    const rows = await runMatrix(
      store,
      [1, 2, 3].map(() => actor(sessionOf(store))),
    );
    return [...new Set(rows.filter(({ prevented }) => !prevented).map(({ id }) => id))];
  };
  const all = ['G0', 'G1a', 'G1b', 'G1c', 'OTV', 'PMP', 'P4', 'G-single', 'G2-item', 'G2'];
  t.deepEqual([...new Set(SCENARIOS.map(({ id }) => id))], all);
  t.deepEqual(await anomalies({}), []);
  t.deepEqual(await anomalies({ checks: 'keys' }), ['G2']);
  t.deepEqual(await anomalies({ checks: 'writes' }), ['G1c', 'G2-item', 'G2']);
  t.deepEqual(await anomalies({ checks: 'none' }), ['G1c', 'PMP', 'P4', 'G-single', 'G2-item', 'G2']);
  const found = [
    { writes: 'at once', reads: 'latest', checks: 'none' },
    { reads: 'stale', checks: 'none' },
  ];
  t.deepEqual([...new Set((await Promise.all(found.map(anomalies))).flat())].sort(), [...all].sort());
});
