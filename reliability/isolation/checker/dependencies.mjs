import { Graph, PRW, RT, RW, WR, WW } from './graph.mjs';

/**
 * The graph of dependencies among transactions. A failed transaction is in it with its reads alone: they must be
 * consistent, too.
 */
export function dependencies({ observations, isCommitted, orders, writers, counters, members, realTime }) {
  const graph = new Graph(observations.length);
  const committed = (node) => (node !== undefined && isCommitted(node) ? node : undefined);

  const ordered = new Map(); // key -> nodes in the order of their appends
  for (const [key, ofKey] of writers) {
    const order = orders.get(key) ?? [];
    const listed = new Set(order);
    const unread = [...ofKey].filter(([element, node]) => !listed.has(element) && isCommitted(node));
    // A single one that nobody read can only come last.
    const all = unread.length === 1 ? [...order, unread[0][0]] : order;
    ordered.set(
      key,
      all.map((element) => committed(ofKey.get(element))),
    );
  }
  for (const [key, nodes] of ordered) nodes.forEach((node, i) => i > 0 && graph.add(nodes[i - 1], node, WW, key));
  for (const [key, ofKey] of counters) for (const [n, node] of ofKey) graph.add(ofKey.get(n - 1), node, WW, key);
  for (const [key, { inserter, remover }] of members) graph.add(inserter, remover, WW, key);

  observations.forEach(({ transaction, seen }, node) => {
    for (const { key, elements, predicate } of seen.lists) {
      const nodes = ordered.get(key) ?? [];
      graph.add(nodes[elements.length - 1], node, WR, key);
      // Its own appends came right after what it read, and the next version is somebody else's.
      const next = nodes.slice(elements.length).find((writer) => writer !== node);
      graph.add(node, next, predicate ? PRW : RW, key);
    }
    for (const { key, version } of seen.numbers) {
      const ofKey = counters.get(key) ?? new Map();
      graph.add(ofKey.get(version), node, WR, key);
      let next = version + 1;
      while (ofKey.get(next) === node) next += 1;
      graph.add(node, ofKey.get(next), RW, key);
    }
    for (const { key, present, predicate } of seen.members) memberEdges(key, present, predicate, transaction, node);
  });

  function memberEdges(key, present, predicate, { start, end }, node) {
    const { inserter, remover } = members.get(key) ?? {};
    if (present) {
      graph.add(inserter, node, WR, key);
      graph.add(node, remover, RW, key);
      return;
    }
    const time = (of) => observations[of].transaction;
    // A member is absent before its insertion and after its removal. A writer that began after the reader ended cannot
    // be the one whose effect it saw.
    if (remover === undefined || end < time(remover).start) graph.add(node, inserter, predicate ? PRW : RW, key);
    else if (realTime && inserter !== undefined && time(inserter).end < start) graph.add(remover, node, WR, key);
  }

  if (realTime) addRealTime(graph, observations, isCommitted);
  return graph;
}

/** An edge from each transaction to those that began after it ended, without those that follow from others. */
function addRealTime(graph, observations, isCommitted) {
  const events = observations.flatMap(({ transaction }, node) => [
    { time: transaction.start, node, ends: false },
    ...(isCommitted(node) && transaction.status === 'ok' ? [{ time: transaction.end, node, ends: true }] : []),
  ]);
  // At one instant nothing is known to be before anything else.
  events.sort((a, b) => a.time - b.time || a.ends - b.ends);
  let ended = [];
  const before = new Map();
  for (const { node, ends } of events) {
    if (!ends) {
      before.set(node, ended);
      for (const earlier of ended) graph.add(earlier, node, RT);
      continue;
    }
    const covered = new Set(before.get(node));
    ended = [...ended.filter((earlier) => !covered.has(earlier)), node];
  }
}
