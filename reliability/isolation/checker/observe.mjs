/**
 * Separates what one transaction saw of others and did to the store from what it saw of itself.
 *
 * A history is an array of transactions `{ id, process, status, start, end, ops }`. `status` is 'ok', 'fail' (no other
 * may see any of it) or 'unknown'; `start` and `end` are of one monotonic clock. An operation is one of
 *
 *   ['append', key, element]       no element is appended to a key twice
 *   ['read', key, elements]        the whole list, [] where it is absent
 *   ['lists', from, to, entries]   [key, elements] of every list of from <= key < to
 *   ['increment', key, n]          by one; n is what it became
 *   ['number', key, n]             0 where it is absent
 *   ['insert', key]                a member: a key inserted at most once, and removed at most once
 *   ['remove', key]
 *   ['has', key, boolean]
 *   ['members', from, to, keys]    every member of from <= key < to
 *   ['fill', group]                writes the transaction's id to each key of the group, without a read
 *   ['group', group, ids]          what the keys of the group hold, null where they are absent
 *   ['wrong', key, why]            what the client itself found impossible
 */

const same = (a, b) => a.length === b.length && a.every((item, i) => item === b[i]);

/**
 * @returns the observations that the graph is built from; `broken` names those that contradict earlier operations of
 *   the same transaction (internal inconsistency).
 */
export function observe(transaction, universe) {
  const seen = { lists: [], numbers: [], members: [], groups: [], broken: [] };
  const did = { appends: new Map(), increments: new Map(), inserts: new Set(), removes: new Set(), fills: new Set() };
  const before = new Map(); // what the others had made of a key when this transaction first saw it
  const fail = (key, why) => seen.broken.push({ key, why });

  const list = (key, elements, predicate = false) => {
    const own = did.appends.get(key) ?? [];
    const start = elements.length - own.length;
    const others = elements.slice(0, Math.max(0, start));
    if (start < 0 || !same(elements.slice(start), own))
      fail(key, `its own appends are missing in ${JSON.stringify(elements)}`);
    else if (others.some((element) => own.includes(element)))
      fail(key, `read what it had yet to append: ${JSON.stringify(elements)}`);
    else if (before.has(key)) {
      if (!same(before.get(key), others))
        fail(key, `read ${JSON.stringify(before.get(key))}, then ${JSON.stringify(others)}`);
    } else {
      before.set(key, others);
      seen.lists.push({ key, elements: others, predicate: predicate && elements.length === 0 });
    }
  };
  const number = (key, n) => {
    const others = n - (did.increments.get(key) ?? 0);
    if (!before.has(key)) {
      before.set(key, others);
      seen.numbers.push({ key, version: others });
    } else if (before.get(key) !== others) fail(key, `read ${before.get(key)}, then ${others}`);
  };
  const member = (key, present, predicate = false) => {
    if (did.inserts.has(key) || did.removes.has(key)) {
      const expected = did.inserts.has(key) && !did.removes.has(key);
      if (expected !== present) fail(key, `${present ? 'saw' : 'did not see'} the member after its own write`);
    } else if (before.has(key)) {
      if (before.get(key) !== present) fail(key, `saw the member ${present ? 'appear' : 'vanish'}`);
    } else {
      before.set(key, present);
      seen.members.push({ key, present, predicate: predicate && !present });
    }
  };
  const group = (name, ids) => {
    const strangers = ids.filter((id) => id !== transaction.id);
    if (did.fills.has(name)) {
      if (strangers.length > 0) fail(name, `its own writes are missing in ${JSON.stringify(ids)}`);
    } else if (!before.has(name)) {
      before.set(name, ids);
      seen.groups.push({ group: name, ids });
    } else if (!same(before.get(name), ids))
      fail(name, `read ${JSON.stringify(before.get(name))}, then ${JSON.stringify(ids)}`);
  };

  const handlers = {
    append: (key, element) => did.appends.set(key, [...(did.appends.get(key) ?? []), element]),
    read: list,
    lists: (from, to, entries) => {
      const found = new Map(entries);
      for (const [key, elements] of entries) list(key, elements, true);
      for (const key of universe.lists(from, to)) if (!found.has(key)) list(key, [], true);
    },
    increment: (key, n) => {
      number(key, n - 1);
      did.increments.set(key, (did.increments.get(key) ?? 0) + 1);
    },
    number,
    insert: (key) => did.inserts.add(key),
    remove: (key) => did.removes.add(key),
    has: member,
    members: (from, to, keys) => {
      const found = new Set(keys);
      for (const key of new Set([...keys, ...universe.members(from, to)])) member(key, found.has(key), true);
    },
    fill: (name) => did.fills.add(name),
    group,
    wrong: fail,
  };
  for (const [kind, ...operands] of transaction.ops) handlers[kind](...operands);
  return { transaction, seen, did };
}

/** The keys that any transaction of the history wrote, for what a range read did not return. */
export function universeOf(history) {
  const kinds = { append: new Set(), insert: new Set() };
  for (const { ops } of history) for (const [kind, key] of ops) kinds[kind]?.add(key);
  const sorted = { lists: [...kinds.append].sort(), members: [...kinds.insert].sort() };
  const within = (keys, from, to) => keys.slice(lowerBound(keys, from), lowerBound(keys, to));
  return {
    lists: (from, to) => within(sorted.lists, from, to),
    members: (from, to) => within(sorted.members, from, to),
  };
}

function lowerBound(keys, bound) {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
