/**
 * Finds anomalies that no serial order of transactions explains, from the observations of clients alone, in the manner
 * of K. Kingsbury and P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020).
 * observe.mjs defines a history.
 */
import { findCycles } from './cycles.mjs';
import { dependencies } from './dependencies.mjs';
import { observe, universeOf } from './observe.mjs';
import { checkDirtyUpdates, checkGroups, checkLists, checkLostAppends, checkLostUpdates } from './reads.mjs';
import { appenders, counterWriters, listOrders, memberWriters } from './versions.mjs';

/**
 * @param history - transactions, in any order
 * @param realTime - whether the serial order has to keep the order of transactions that did not overlap (strict
 *   serializability)
 * @returns `{ anomalies: [{ name, transactions, detail }], transactions, committed, failed, edges }`
 */
export function check(history, { realTime = false } = {}) {
  const universe = universeOf(history);
  const observations = history.map((transaction) => observe(transaction, universe));
  const anomalies = [];
  const report = (name, nodes, detail) =>
    anomalies.push({ name, transactions: nodes.map((node) => history[node].id), detail });

  observations.forEach(({ seen }, node) => {
    for (const { key, why } of seen.broken) report('internal', [node], `${key}: ${why}`);
  });
  const writers = appenders(observations);
  const orders = listOrders(observations, report);
  const isCommitted = committedOnes(observations, orders, writers);
  const counters = counterWriters(observations, isCommitted, report);
  const members = memberWriters(observations, isCommitted, report);
  checkLists(observations, writers, report);
  checkDirtyUpdates(orders, observations, writers, report);
  checkLostUpdates(observations, isCommitted, report);
  if (realTime) checkLostAppends(observations, orders, writers, isCommitted, report);
  checkGroups(observations, report);
  checkValues(observations, counters, members, report);

  const graph = dependencies({ observations, isCommitted, orders, writers, counters, members, realTime });
  const describe = (name, steps) => ({
    name,
    transactions: steps.map(({ from }) => history[from].id),
    detail: steps
      .map(
        ({ from, to, kind, key }) =>
          `${history[from].id} -${[kind, key].filter(Boolean).join(' ')}-> ${history[to].id}`,
      )
      .join(', '),
  });
  anomalies.push(...findCycles(graph, describe));
  return {
    anomalies,
    transactions: history.length,
    committed: history.filter(({ status }) => status === 'ok').length,
    failed: history.filter(({ status }) => status === 'fail').length,
    edges: graph.size,
  };
}

/**
 * A transaction of unknown outcome has committed if another one saw its writes. If none did, its writes are left out.
 */
function committedOnes(observations, orders, writers) {
  const seen = new Set();
  for (const [key, order] of orders) for (const element of order) seen.add(writers.get(key)?.get(element));
  const present = new Set(observations.flatMap((o) => o.seen.members.filter((m) => m.present).map((m) => m.key)));
  const reached = new Map();
  for (const o of observations)
    for (const { key, version } of o.seen.numbers) reached.set(key, Math.max(version, reached.get(key) ?? 0));
  const observed = ({ transaction, did }, node) =>
    seen.has(node) ||
    [...did.inserts].some((key) => present.has(key)) ||
    transaction.ops.some(
      ([kind, key, n]) =>
        kind === 'increment' && n <= (reached.get(key) ?? 0) && onlyUnknown(observations, key, n, node),
    );
  const committed = observations.map((observation, node) => {
    const { status } = observation.transaction;
    return status === 'ok' || (status === 'unknown' && observed(observation, node));
  });
  return (node) => committed[node];
}

// A value somebody reached is this one's if no other transaction made the counter so.
const onlyUnknown = (observations, key, n, node) =>
  !observations.some(
    ({ transaction }, other) =>
      other !== node &&
      transaction.status !== 'fail' &&
      transaction.ops.some(([kind, of, to]) => kind === 'increment' && of === key && to === n),
  );

/** Values of counters and members that nobody who committed can have made. */
function checkValues(observations, counters, members, report) {
  observations.forEach(({ seen }, node) => {
    for (const { key, version } of seen.numbers) {
      if (version > 0 && !counters.get(key)?.has(version))
        report('G1a', [node], `${key}: read ${version}, which nobody who committed had made it`);
    }
    for (const { key, present } of seen.members) {
      if (present && members.get(key)?.inserter === undefined)
        report('G1a', [node], `${key}: saw a member that nobody who committed had inserted`);
    }
  });
}
