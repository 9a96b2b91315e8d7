// The change log: watches that resume behind a commit.
import { onEachWatched, plain, take } from '../helpers/watching.mjs';

const LOGGED = ['memory', 'file', 'sqlite', 'leveldb', 'redis'];
const PERSISTENT = LOGGED.filter((name) => name !== 'memory');

onEachWatched(
  'the log is off until somebody asks for it, and then reaches back to what was asked for',
  async (t, engine) => {
    await engine.set('early', 0);
    const { commit, logFloor } = await engine.stats();
    t.is(logFloor, null, 'the log is off until somebody asks for it');
    const watch = engine.watch('k*', { since: commit });
    await watch.ready;
    t.true((await engine.stats()).logFloor <= commit);
    await watch.return();
  },
  LOGGED,
);

/** Two logged commits of keys k*, whose events were taken, and two more that changed the same keys again. */
async function logged(engine) {
  await engine.set('early', 0);
  const { commit } = await engine.stats();
  const first = engine.watch('k*', { since: commit });
  await first.ready;
  await engine.set('k1', 1);
  await engine.batch([
    { type: 'set', key: 'k2', value: 2 },
    { type: 'set', key: 'x', value: 0 },
    { type: 'delete', key: 'early' },
  ]);
  const [one, two] = await take(first, 2);
  await first.return();
  await engine.set('k1', 'changed');
  await engine.delete('k2');
  return { commit, one, two };
}

onEachWatched(
  'since tells what was committed behind it, without values that were changed since',
  async (t, engine) => {
    const { commit, one } = await logged(engine);
    const again = await take(engine.watch('k*', { since: commit, maxQueue: 1 }), 4);
    t.deepEqual(again.map(plain), [
      { type: 'set', key: 'k1' },
      { type: 'set', key: 'k2' },
      { type: 'set', key: 'k1', value: 'changed' },
      { type: 'delete', key: 'k2' },
    ]);
    t.is(again[0].commit, one.commit);
    t.is(again[0].version, one.version, 'a value that was changed since is left out, its version is not');
  },
  LOGGED,
);

onEachWatched(
  'since resumes behind a commit in the middle of the log',
  async (t, engine) => {
    const { commit, two } = await logged(engine);
    const again = await take(engine.watch('k*', { since: commit, maxQueue: 1 }), 4);
    const rest = engine.watch('k*', { since: two.commit });
    t.deepEqual((await take(rest, 2)).map(plain), again.slice(2).map(plain));
    await rest.return();
  },
  LOGGED,
);

onEachWatched(
  'since with the cursor of an event resumes inside its commit',
  async (t, engine) => {
    const { commit } = await engine.stats();
    const first = engine.watch('*', { since: commit });
    await first.ready;
    await engine.batch(['a', 'k1', 'b', 'k2', 'c'].map((key) => ({ type: 'set', key, value: key })));
    await engine.set('after', 1);
    const events = await take(first, 6);
    await first.return();
    const keys = events.map(({ key }) => key);
    for (const [index, { cursor }] of events.slice(0, 5).entries()) {
      const rest = engine.watch('*', { since: cursor });
      const told = await take(rest, 5 - index);
      t.deepEqual(told, events.slice(index + 1), `behind ${keys[index]}`);
      await rest.return();
      // The same place for a watch of other keys.
      const some = engine.watch('[ka]*', { since: cursor });
      const left = keys.slice(index + 1).filter((key) => /^[ka]/.test(key));
      const keysLeft = (await take(some, left.length)).map(({ key }) => key);
      t.deepEqual(keysLeft, left, `behind ${keys[index]}`);
      await some.return();
    }
    const [behindFirst] = await take(engine.watch('k*', { since: commit }), 1);
    const next = await take(engine.watch('*', { since: behindFirst.cursor }), 1);
    t.is(next[0].key, 'b', 'a cursor of a pattern is a place among all keys');
    const whole = await take(engine.watch('*', { since: events[0].commit }), 1);
    t.is(whole[0].key, 'after', 'the number of a commit stands behind all of it');
  },
  LOGGED,
);

onEachWatched(
  'a since that is no cursor, or one of a commit to come, is refused',
  async (t, engine) => {
    const { commit } = await engine.stats();
    // A server may have lost commits, so a number behind its latest one may have been one.
    const ahead = engine.name === 'redis' ? 2 ** 52 : commit + 9;
    for (const since of ['', 'x', '1.', '1.0', '-1', `${ahead}.1`, `${2 ** 52}`, 1.5]) {
      await t.throwsAsync(engine.watch('*', { since }).next(), { code: 'INVALID_ARGUMENT' }, String(since));
    }
  },
  LOGGED,
);

onEachWatched(
  'a watch goes on from the log to what is committed meanwhile',
  async (t, engine) => {
    const { two } = await logged(engine);
    const rest = engine.watch('k*', { since: two.commit });
    await take(rest, 2);
    await engine.set('k3', 3);
    t.deepEqual((await take(rest, 1)).map(plain), [{ type: 'set', key: 'k3', value: 3 }]);
    await rest.return();
    t.true((await engine.stats()).logFloor <= two.commit);
  },
  LOGGED,
);

onEachWatched(
  'a since that the log does not reach back to is refused with one that can be resumed',
  async (t, engine) => {
    for (let n = 0; n < 5; n++) await engine.set('n', n);
    const error = await t.throwsAsync(engine.watch('*', { since: 0 }).next(), { code: 'PRECONDITION_FAILED' });
    const { logFloor } = await engine.stats();
    t.regex(error.message, new RegExp(`since: ${logFloor}\\b`));
    const resumed = engine.watch('*', { since: logFloor });
    await resumed.ready;
    await engine.set('n', 5);
    t.is((await resumed.next()).value.value, 5);
    await resumed.return();
  },
  LOGGED,
);

onEachWatched(
  'a since beyond the last commit is refused',
  async (t, engine) => {
    // On redis a number up to the time of day in microseconds may be one that the server has lost.
    await t.throwsAsync(engine.watch('*', { since: 2 ** 52 }).next(), { code: 'INVALID_ARGUMENT' });
  },
  LOGGED,
);

onEachWatched(
  'the log is there after the engine was closed and opened again',
  async (t, engine, { reopen }) => {
    const { commit } = await engine.stats();
    const watch = engine.watch('*', { since: commit });
    await watch.ready;
    await engine.set('a', 1);
    await take(watch, 1);
    await engine.set('b', 2);
    await engine.disconnect();
    const other = reopen();
    await other.set('c', 3);
    t.deepEqual((await take(other.watch('*', { since: commit }), 3)).map(plain), [
      { type: 'set', key: 'a', value: 1 },
      { type: 'set', key: 'b', value: 2 },
      { type: 'set', key: 'c', value: 3 },
    ]);
    await other.disconnect();
  },
  PERSISTENT,
);

onEachWatched(
  'clear leaves the log, and is in it',
  async (t, engine) => {
    const { commit } = await engine.stats();
    const watch = engine.watch('*', { since: commit });
    await watch.ready;
    await engine.set('a', 1);
    await engine.clear();
    await take(watch, 2);
    await watch.return();
    const events = await take(engine.watch('*', { since: commit }), 2);
    t.deepEqual(events.map(plain), [{ type: 'set', key: 'a' }, { type: 'clear' }]);
    t.deepEqual(await engine.keys(), []);
  },
  LOGGED,
);

onEachWatched(
  'many watches may resume at once',
  async (t, engine) => {
    const { commit } = await engine.stats();
    await engine.watch('*', { since: commit }).ready; // the log is on
    await engine.set('a', 1);
    const watches = Array.from({ length: 100 }, () => engine.watch('*', { since: commit }));
    await Promise.all(watches.map(({ ready }) => ready));
    for (const watch of watches) {
      t.is((await watch.next()).value.key, 'a');
      await watch.return();
    }
  },
  LOGGED,
);

onEachWatched(
  'custom engines have no log',
  async (t, engine) => {
    await t.throwsAsync(engine.watch('*', { since: 0 }).next(), { code: 'NOT_SUPPORTED' });
  },
  ['custom'],
);
