/**
 * Calls of the engine beside the transactions: each is a transaction of its own.
 */
async function get({ engine, keys, random, attempt }) {
  const key = random.pick(keys.lists);
  attempt.record('read', key, (await engine.get(key)) ?? []);
}

async function append({ engine, keys, random, attempt, element }) {
  const key = random.pick(keys.lists);
  const entry = await engine.getEntry(key);
  attempt.record('read', key, entry?.value ?? []);
  const appended = element();
  attempt.record('append', key, appended);
  const { ok } = await engine.compareAndSet(key, entry?.version ?? null, [...(entry?.value ?? []), appended]);
  return ok ? 'ok' : 'fail';
}

async function insert({ engine, keys, random, attempt, element }) {
  const key = random.pick(keys.sets) + element();
  attempt.record('insert', key);
  await engine.set(key, true);
}

async function increment({ engine, keys, random, attempt }) {
  const key = random.pick(keys.numbers);
  attempt.record('increment', key, await engine.increment(key));
}

async function snapshot({ engine, keys, attempt }) {
  const view = await engine.snapshot();
  try {
    for (const key of keys.lists) attempt.record('read', key, (await view.get(key)) ?? []);
    for (const set of keys.sets) attempt.record('members', set, `${set.slice(0, -1)}0`, await view.keys(`${set}*`));
  } finally {
    await view.close();
  }
}

const CALLS = { get, append, insert, increment, snapshot };

/** Makes one such call and says how it ended. */
export async function plainCall(context) {
  const name = context.random.weighted({
    get: 3,
    append: 3,
    insert: 1,
    increment: 1,
    snapshot: context.engine.capabilities?.snapshots ? 1 : 0,
  });
  return (await CALLS[name](context)) ?? 'ok';
}
