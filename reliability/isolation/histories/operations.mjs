/**
 * The operations of transactions, each by several ways of the API. An operation gets
 * `{ tx, clear, keys, random, record, element, id, wrote }`, calls the transaction, and records what it saw and did.
 */
import { endOf, groupKeys } from './keys.mjs';

async function gather(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

async function read({ tx, keys, random, record }) {
  const key = random.pick(keys.lists);
  record('read', key, (await tx.get(key)) ?? []);
}

async function readMany({ tx, keys, random, record }) {
  const some = keys.lists.filter(() => random.chance(0.5));
  const values = await tx.getMany(some);
  some.forEach((key, i) => record('read', key, values[i] ?? []));
}

const APPENDS = {
  async set({ tx, record }, key, element) {
    const list = (await tx.get(key)) ?? [];
    record('read', key, list);
    await tx.set(key, [...list, element]);
  },
  async setMany({ tx, record }, key, element) {
    const [list] = await tx.getMany([key]);
    record('read', key, list ?? []);
    await tx.setMany([[key, [...(list ?? []), element]]]);
  },
  async batch({ tx, record }, key, element) {
    const list = (await tx.get(key)) ?? [];
    record('read', key, list);
    await tx.batch([{ type: 'set', key, value: [...list, element] }]);
  },
  async compareAndSet({ tx, record, wrote }, key, element) {
    if (wrote.has(key)) return APPENDS.set({ tx, record }, key, element);
    const entry = await tx.getEntry(key);
    record('read', key, entry?.value ?? []);
    const { ok } = await tx.compareAndSet(key, entry?.version ?? null, [...(entry?.value ?? []), element]);
    if (!ok) record('wrong', key, 'compareAndSet refused the version that the transaction had just read');
  },
};

async function append(context) {
  const { keys, random, record, element, wrote } = context;
  const key = random.pick(keys.lists);
  const appended = element();
  await APPENDS[random.pick(Object.keys(APPENDS))](context, key, appended);
  wrote.add(key);
  record('append', key, appended);
}

async function readLists({ tx, keys, record }) {
  const entries = await gather(tx.entries({ prefix: keys.listFolder }));
  record(
    'lists',
    keys.listFolder,
    endOf(keys.listFolder),
    entries.map(([key, value]) => [key, value ?? []]),
  );
}

/** Lists a set in one of several ways; those with a limit see only a part of it, and say which. */
async function listSet({ tx, random, record }, set) {
  const end = endOf(set);
  const limit = 1 + random.below(3);
  const way = random.weighted({ pattern: 3, range: 3, first: 1, last: 1, entries: 1 });
  if (way === 'first' || way === 'last') {
    const keys = await tx.keys({ prefix: set, limit, reverse: way === 'last' });
    const all = keys.length < limit;
    if (way === 'first') record('members', set, all ? end : `${keys.at(-1)}\u0000`, keys);
    else record('members', all ? set : keys.at(-1), end, keys);
    return keys;
  }
  if (way === 'entries') {
    const keys = (await gather(tx.entries({ gte: set, lt: end }))).map(([key]) => key);
    record('members', set, end, keys);
    return keys;
  }
  const keys = await tx.keys(way === 'pattern' ? `${set}*` : { gte: set, lt: end });
  record('members', set, end, keys);
  return keys;
}

async function list(context) {
  await listSet(context, context.random.pick(context.keys.sets));
}

async function insert({ tx, keys, random, record, element }) {
  const key = random.pick(keys.sets) + element();
  await tx.set(key, true);
  record('insert', key);
}

async function removeListed(context) {
  const { tx, keys, random, record, wrote } = context;
  const found = (await listSet(context, random.pick(keys.sets))).filter((key) => !wrote.has(key));
  if (found.length === 0) return;
  const key = random.pick(found);
  wrote.add(key);
  if (!(await tx.delete(key))) return record('has', key, false);
  record('remove', key);
}

/**
 * Clears a set in one step. It removes what is there at that moment, which is what the listing before it saw unless
 * that was outdated.
 */
async function clearSet({ tx, clear, keys, random, record, wrote }) {
  const set = random.pick(keys.sets);
  const listed = await tx.keys(`${set}*`);
  record('members', set, endOf(set), listed);
  await clear(set);
  for (const key of listed) {
    wrote.add(key);
    record('remove', key);
  }
}

/** A seat is taken if nobody sits there: the predicate is a count. */
async function takeSeat({ tx, keys, random, record, element }) {
  const seat = random.pick(keys.seats);
  const range = random.chance(0.5) ? { prefix: seat } : `${seat}*`;
  if ((await tx.count(range)) > 0) return;
  record('members', seat, endOf(seat), []);
  const key = seat + element();
  await tx.set(key, true);
  record('insert', key);
}

async function increment({ tx, keys, random, record }) {
  const key = random.pick(keys.numbers);
  if (random.chance(0.5)) return record('increment', key, await tx.increment(key));
  const number = (await tx.get(key)) ?? 0;
  await tx.set(key, number + 1);
  record('increment', key, number + 1);
}

async function readNumber({ tx, keys, random, record }) {
  const key = random.pick(keys.numbers);
  record('number', key, (await tx.get(key)) ?? 0);
}

async function fill({ tx, keys, random, record, id }) {
  const group = random.pick(keys.groups);
  for (const key of groupKeys(group)) await tx.set(key, id);
  record('fill', group);
}

async function readGroup({ tx, keys, random, record }) {
  const group = random.pick(keys.groups);
  if (random.chance(0.5)) return record('group', group, await tx.getMany(groupKeys(group)));
  const ids = [];
  for (const key of groupKeys(group)) ids.push(await tx.get(key));
  record('group', group, ids);
}

/** Operations that only read, by weight. */
export const READS = { read: 4, readMany: 2, readLists: 1, list: 3, readNumber: 1, readGroup: 2 };

/** Operations that write, by weight. */
export const WRITES = { append: 7, insert: 2, removeListed: 1, clearSet: 0.3, takeSeat: 2, increment: 1, fill: 1 };

export const OPERATIONS = {
  read,
  readMany,
  append,
  readLists,
  list,
  insert,
  removeListed,
  clearSet,
  takeSeat,
  increment,
  readNumber,
  fill,
  readGroup,
};
