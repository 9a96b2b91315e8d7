/**
 * The order of the versions of each key, from what was read: a list shows every append before it, the value of a
 * counter is its version, and a member is absent, present, absent again.
 */

/**
 * The node that appended each element: key -> element -> node. Throws where a history breaks its own rule that no
 * element is appended twice.
 */
export function appenders(observations) {
  const writers = new Map();
  observations.forEach(({ did }, node) => {
    for (const [key, elements] of did.appends) {
      const ofKey = writers.get(key) ?? writers.set(key, new Map()).get(key);
      for (const element of elements) {
        if (ofKey.has(element)) throw new Error(`The history appends ${element} to ${key} twice`);
        ofKey.set(element, node);
      }
    }
  });
  return writers;
}

/**
 * The longest list that was read of each key. Every other list of the key must be its beginning; `report(anomaly)` is
 * called where it is not.
 */
export function listOrders(observations, report) {
  const longest = new Map();
  for (const [node, { seen }] of observations.entries()) {
    for (const { key, elements } of seen.lists) {
      if (!longest.has(key) || longest.get(key).elements.length < elements.length) longest.set(key, { elements, node });
    }
  }
  for (const [node, { seen }] of observations.entries()) {
    for (const { key, elements } of seen.lists) {
      const { elements: order, node: other } = longest.get(key);
      const at = elements.findIndex((element, i) => element !== order[i]);
      if (at !== -1)
        report(
          'incompatible order',
          [node, other],
          `${key}: ${JSON.stringify(elements)} and ${JSON.stringify(order)} part at ${at}`,
        );
    }
  }
  return new Map([...longest].map(([key, { elements }]) => [key, elements]));
}

/** key -> version -> node that made the counter so; two that committed the same version lost one of their updates. */
export function counterWriters(observations, isCommitted, report) {
  const writers = new Map();
  observations.forEach(({ transaction, did }, node) => {
    if (!isCommitted(node)) return;
    for (const key of did.increments.keys()) {
      const ofKey = writers.get(key) ?? writers.set(key, new Map()).get(key);
      for (const [, , n] of transaction.ops.filter(([kind, of]) => kind === 'increment' && of === key)) {
        if (ofKey.has(n)) report('lost update', [ofKey.get(n), node], `${key} became ${n} twice`);
        ofKey.set(n, node);
      }
    }
  });
  return writers;
}

/** key -> { inserter, remover } of those that committed. */
export function memberWriters(observations, isCommitted, report) {
  const members = new Map();
  const set = (key, role, node) => {
    const member = members.get(key) ?? members.set(key, {}).get(key);
    if (member[role] !== undefined)
      report('lost update', [member[role], node], `${key} was ${role === 'remover' ? 'removed' : 'inserted'} twice`);
    member[role] = node;
  };
  observations.forEach(({ did }, node) => {
    if (!isCommitted(node)) return;
    for (const key of did.inserts) set(key, 'inserter', node);
    for (const key of did.removes) set(key, 'remover', node);
  });
  return members;
}
