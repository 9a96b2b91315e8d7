// The changes that a watch tells, and their events.
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { onEachWatched, plain, take } from '../helpers/watching.mjs';

/** A watch that has told eight events of five commits made after its call. */
async function watched(engine) {
  await engine.set('before', 0);
  const watch = engine.watch();
  await watch.ready;
  await engine.set('a', { n: 1 });
  await engine.batch([
    { type: 'set', key: 'b', value: [2] },
    { type: 'delete', key: 'before' },
    { type: 'set', key: 'c', value: null },
  ]);
  await engine.increment('n', 2.5);
  await engine.setMany([
    ['x', new Date(0)],
    ['y', Buffer.from('y')],
  ]);
  const deleted = await engine.delete('a');
  const events = await take(watch, 8);
  await watch.return();
  return { events, deleted };
}

onEachWatched('a watch tells what was committed after its call, in order', async (t, engine) => {
  const { events, deleted } = await watched(engine);
  t.deepEqual(events.slice(0, 5).map(plain), [
    { type: 'set', key: 'a', value: { n: 1 } },
    { type: 'set', key: 'b', value: [2] },
    { type: 'delete', key: 'before' },
    { type: 'set', key: 'c', value: null },
    { type: 'set', key: 'n', value: 2.5 },
  ]);
  t.true(deleted);
  t.is(events[7].type, 'delete');
});

onEachWatched('an event has its value as it was stored', async (t, engine) => {
  const { events } = await watched(engine);
  t.deepEqual([events[5].value, events[6].value], [new Date(0), Buffer.from('y')]);
});

onEachWatched('the events of one commit have one number, and numbers increase', async (t, engine) => {
  const { events } = await watched(engine);
  const commits = events.map(({ commit }) => commit);
  t.deepEqual(
    commits.map((commit) => commits.indexOf(commit)),
    [0, 1, 1, 1, 4, 5, 5, 7],
    'one number a commit',
  );
  t.deepEqual(
    commits,
    commits.toSorted((a, b) => a - b),
  );
});

onEachWatched('an event says whether it is the last of its commit, and has a cursor of its own', async (t, engine) => {
  const { events } = await watched(engine);
  t.deepEqual(
    events.map(({ last }) => last),
    [true, false, false, true, true, false, true, true],
  );
  const cursors = events.map(({ cursor }) => cursor);
  t.is(new Set(cursors).size, 8);
  t.true(cursors.every((cursor) => typeof cursor === 'string'));
});

onEachWatched('the last event of a commit is the last that the pattern matches', async (t, engine) => {
  const watch = engine.watch('k*');
  await watch.ready;
  await engine.setMany(['a', 'k1', 'b', 'k2', 'c'].map((key) => [key, 1]));
  const events = await take(watch, 2);
  t.deepEqual(
    events.map(({ last }) => last),
    [false, true],
  );
  t.is(events[1].cursor, `${events[1].commit}`, 'behind the whole commit');
  await watch.return();
});

onEachWatched('an event has the version of its record, or none', async (t, engine) => {
  const { events } = await watched(engine);
  const { key, version } = events[4];
  t.is(key, 'n');
  if (version !== null) t.is(version, (await engine.getEntry('n')).version);
});

onEachWatched('a watch sees what comes between its call and the first next()', async (t, engine) => {
  const watch = engine.watch();
  await engine.set('a', 1);
  await engine.set('b', 2);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'a', value: 1 },
    { type: 'set', key: 'b', value: 2 },
  ]);
  await watch.return();
});

onEachWatched('a change that is requested right behind watch() is told', async (t, _, { reopen }) => {
  for (let round = 0; round < 10; round++) {
    const fresh = reopen(); // nobody watches, so nothing is followed yet
    const watch = fresh.watch('n:*');
    const written = [fresh.set('n:first', round), fresh.increment('n:second'), fresh.set('other', round)];
    t.deepEqual((await take(watch, 2)).map(plain), [
      { type: 'set', key: 'n:first', value: round },
      { type: 'set', key: 'n:second', value: 1 },
    ]);
    await Promise.all(written);
    await watch.return();
    await fresh.clear();
    await fresh.disconnect();
  }
});

onEachWatched('a watch beside others is not told what was committed before it', async (t, engine) => {
  const first = engine.watch();
  await first.ready;
  for (let n = 0; n < 200; n++) {
    await engine.set('before', n);
    const watch = engine.watch();
    await engine.set('behind', n);
    t.deepEqual((await take(watch, 1)).map(plain), [{ type: 'set', key: 'behind', value: n }]);
    await watch.return();
  }
  t.is((await take(first, 400)).length, 400);
  await first.return();
});

onEachWatched('calls that fail or change nothing are not told', async (t, engine) => {
  await engine.set('text', 'x');
  const watch = engine.watch();
  await watch.ready;
  await t.throwsAsync(engine.increment('text'), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(engine.set('user:1:a', 1, { ifVersion: 'ff' }));
  await engine.delete('user:9:absent');
  await engine.set('last', 1);
  t.deepEqual((await take(watch, 1)).map(plain), [{ type: 'set', key: 'last', value: 1 }]);
  await watch.return();
});

onEachWatched('only changes of keys that match the pattern are told', async (t, engine) => {
  const watch = engine.watch('user:?:*');
  await watch.ready;
  await engine.set('text', 'x');
  await engine.setMany([
    ['user:1:a', 1],
    ['user:12:a', 2],
    ['other', 3],
  ]);
  await engine.delete('user:9:absent');
  await engine.set('user:2:\u{1f600}', 4);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'user:1:a', value: 1 },
    { type: 'set', key: 'user:2:\u{1f600}', value: 4 },
  ]);
  await watch.return();
});

onEachWatched('a consumer that is too slow gets what fits, then NO_SPACE, and holds nobody up', async (t, engine) => {
  const watch = engine.watch('*', { maxQueue: 3 });
  await watch.ready;
  for (let n = 0; n < 20; n++) await engine.set('k', n);
  t.is(await engine.get('k'), 19);
  t.deepEqual(
    (await take(watch, 3)).map(({ value }) => value),
    [0, 1, 2],
  );
  const error = await t.throwsAsync(watch.next(), { code: 'NO_SPACE' });
  t.regex(error.message, /maxQueue/);
  t.is(error.operation, 'watch');
  t.deepEqual(await watch.next(), { done: true, value: undefined });
});

test('an expiry is no change', async (t) => {
  const engine = new MemoryStorage();
  await engine.connect();
  const watch = engine.watch();
  await engine.set('a', 1, { ttl: 1 });
  await delay(1500); // the sweep comes once a second
  await engine.set('b', 2);
  t.deepEqual((await take(watch, 2)).map(plain), [
    { type: 'set', key: 'a', value: 1 },
    { type: 'set', key: 'b', value: 2 },
  ]);
  await engine.disconnect();
});

const TRANSACTIONAL = ['memory', 'file', 'sqlite', 'leveldb'];
const managerOf = (engine) => new StorageManager({ engines: { it: engine } });

onEachWatched(
  'a transaction is told as one commit',
  async (t, engine) => {
    const watch = engine.watch();
    await watch.ready;
    await managerOf(engine).transaction(
      async (tx) => {
        await tx.set('a', 1);
        await tx.set('p/b', 2);
      },
      { engine: 'it' },
    );
    const events = await take(watch, 2);
    t.deepEqual(events.map(plain), [
      { type: 'set', key: 'a', value: 1 },
      { type: 'set', key: 'p/b', value: 2 },
    ]);
    t.is(events[0].commit, events[1].commit);
    await watch.return();
  },
  TRANSACTIONAL,
);

onEachWatched(
  'a transaction that is rolled back is not told',
  async (t, engine) => {
    const watch = engine.watch();
    await watch.ready;
    const dropped = await managerOf(engine).beginTransaction({ engine: 'it' });
    await dropped.set('never', 1);
    await dropped.rollback();
    await engine.set('a', 1);
    t.deepEqual((await take(watch, 1)).map(plain), [{ type: 'set', key: 'a', value: 1 }]);
    await watch.return();
  },
  TRANSACTIONAL,
);
