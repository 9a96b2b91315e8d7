/**
 * Anomalies that a single read proves without a cycle: aborted, intermediate, duplicate and unknown elements, and
 * fractured groups.
 */

export function checkLists(observations, writers, report) {
  observations.forEach(({ seen }, node) => {
    for (const { key, elements } of seen.lists) {
      const known = writers.get(key) ?? new Map();
      if (new Set(elements).size < elements.length) report('duplicate', [node], `${key}: ${JSON.stringify(elements)}`);
      for (const element of elements) {
        const writer = known.get(element);
        if (writer === undefined)
          report('unknown element', [node], `${key}: nobody appended ${JSON.stringify(element)}`);
        else if (observations[writer].transaction.status === 'fail')
          report('G1a', [node, writer], `${key}: read ${element}, whose append was rolled back`);
      }
      const writer = known.get(elements.at(-1));
      const appended = writer === undefined || writer === node ? undefined : observations[writer].did.appends.get(key);
      if (appended !== undefined && appended.at(-1) !== elements.at(-1)) {
        report(
          'G1b',
          [node, writer],
          `${key}: read ${elements.at(-1)}, after which the same transaction appended ${appended.at(-1)}`,
        );
      }
    }
  });
}

/** An update on top of one that was rolled back. */
export function checkDirtyUpdates(orders, observations, writers, report) {
  for (const [key, order] of orders) {
    const nodes = order.map((element) => writers.get(key)?.get(element));
    const status = (node) => (node === undefined ? undefined : observations[node].transaction.status);
    nodes.forEach((node, i) => {
      if (status(node) === 'fail' && status(nodes[i + 1]) === 'ok')
        report('dirty update', [node, nodes[i + 1]], `${key}: ${order[i]}, then ${order[i + 1]}`);
    });
  }
}

/** Two that committed an append to the same version of a list. */
export function checkLostUpdates(observations, isCommitted, report) {
  const first = new Map();
  observations.forEach(({ seen, did }, node) => {
    if (!isCommitted(node)) return;
    for (const { key, elements } of seen.lists) {
      if (!did.appends.has(key)) continue;
      const version = JSON.stringify([key, elements]);
      if (first.has(version))
        report('lost update', [first.get(version), node], `${key}: both appended to ${JSON.stringify(elements)}`);
      else first.set(version, node);
    }
  });
}

/** An append that had committed, in a list read later, is not there. */
export function checkLostAppends(observations, orders, writers, isCommitted, report) {
  const latest = new Map(); // key -> the read that began last
  observations.forEach(({ transaction, seen }, node) => {
    for (const { key } of seen.lists) {
      if (!latest.has(key) || observations[latest.get(key)].transaction.start < transaction.start)
        latest.set(key, node);
    }
  });
  for (const [key, ofKey] of writers) {
    const order = new Set(orders.get(key));
    const reader = latest.get(key);
    for (const [element, writer] of ofKey) {
      if (reader === undefined || order.has(element) || !isCommitted(writer)) continue;
      if (observations[writer].transaction.end < observations[reader].transaction.start)
        report('lost update', [writer, reader], `${key}: ${element} is gone`);
    }
  }
}

/**
 * The keys of a group are always written together, so one transaction wrote all that a reader sees. If it sees writes
 * of two, either they were made in different orders (G0), or the reader saw one of them in part (G-single).
 */
export function checkGroups(observations, report) {
  const statuses = new Map(observations.map(({ transaction }) => [transaction.id, transaction.status]));
  observations.forEach(({ seen }, node) => {
    for (const { group, ids } of seen.groups) {
      if (new Set(ids).size > 1) report('G0 or G-single', [node], `${group} was seen in part: ${JSON.stringify(ids)}`);
      for (const id of new Set(ids)) {
        if (id !== null && !statuses.has(id))
          report('unknown element', [node], `${group}: nobody wrote ${JSON.stringify(id)}`);
        if (statuses.get(id) === 'fail') report('G1a', [node], `${group}: read what ${id} wrote and rolled back`);
      }
    }
  });
}
