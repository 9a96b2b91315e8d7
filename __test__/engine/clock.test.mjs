// The clock that judges expiry: one for the whole process, which an application may set.
import test from 'ava';
import { MemoryStorage, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, collect, folderOf } from '../helpers/engines.mjs';

const DAY = 86_400_000;
const START = 1_000 * DAY;
const EMBEDDED = ['memory', 'file', 'sqlite', 'leveldb'];

/** A manager with a clock that the test sets, and its engine. */
async function clocked(t, name, start = START) {
  const clock = { time: start };
  const storage = new StorageManager({
    clock: () => clock.time,
    defaultEngine: name,
    [name]: await ENGINES[name].config(t),
    transactions: { path: `${folderOf(t)}/tx` },
  });
  t.teardown(() => storage.close());
  return { clock, storage, engine: storage.getEngine() };
}

// There is one clock a process, so all of these are serial.
for (const name of EMBEDDED) {
  test.serial(`${name}: the clock of a manager drives expiry`, async (t) => {
    const { clock, storage, engine } = await clocked(t, name);
    const store = storage.keyValue('p');
    await engine.set('a', 1, { ttl: 1000 });
    await engine.batch([{ type: 'set', key: 'b', value: 1, ttl: 1000 }]);
    await engine.setMany([['c', 1]], { expiresAt: START + 1000 });
    engine.setSync('d', 1, { ttl: 1000 });
    await store.set('e', 1, { ttl: 1000 });
    t.like(await engine.getEntry('a'), { expiresAt: START + 1000, createdAt: START, updatedAt: START });
    const snapshot = await engine.snapshot();
    const tx = await storage.beginTransaction();
    await tx.set('f', 1, { ttl: 1000 });
    clock.time += 999;
    t.deepEqual(await engine.keys(), ['a', 'b', 'c', 'd', 'p/e']);
    t.is(await snapshot.get('a'), 1);
    t.is(await tx.get('f'), 1);
    clock.time += 1;
    t.is(await engine.get('a'), null);
    t.false(engine.hasSync('d'));
    t.is(await snapshot.get('a'), null);
    t.is(await tx.get('f'), null);
    t.is(await store.get('e'), null);
    t.deepEqual(await collect(engine.entries()), []);
    t.is(await engine.count(), 0);
    t.is(await engine.increment('a'), 1);
    await engine.set('b', 2, { ifAbsent: true });
    await tx.rollback();
    await snapshot.close();
  });

  test.serial(`${name}: what has expired stays absent when the clock goes back`, async (t) => {
    const { clock, engine } = await clocked(t, name);
    await engine.setMany(
      Array.from({ length: 1200 }, (_, index) => [`many/${index}`, index]),
      { ttl: 500 },
    );
    await engine.set('seen', 1, { ttl: 1000 });
    await engine.set('unseen', 1, { ttl: 1000 });
    await engine.set('kept', 1);
    t.is(await engine.get('many/7'), 7);
    clock.time += 1000;
    t.is(await engine.get('seen'), null);
    for (const back of [1, 999, DAY]) {
      clock.time = START + 1000 - back;
      t.is(await engine.get('seen'), null);
      t.is(engine.getSync('unseen'), null);
      t.deepEqual(await engine.keys(), ['kept']);
    }
    // And what is written now expires by the new time.
    await engine.set('seen', 2, { ttl: 1000 });
    t.like(await engine.getEntry('seen'), { value: 2, createdAt: clock.time, expiresAt: clock.time + 1000 });
    clock.time += 999;
    t.is(await engine.get('seen'), 2);
    clock.time += 1;
    t.is(await engine.get('seen'), null);
  });
}

test.serial('the clock counts for every store of the process, until its manager is closed', async (t) => {
  const other = new MemoryStorage();
  const first = await clocked(t, 'memory');
  const second = await clocked(t, 'memory', START + DAY);
  await other.set('a', 1, { ttl: 5 });
  t.is((await other.getEntry('a')).createdAt, START + DAY, 'the latest one tells the time');
  await second.storage.close();
  await other.set('b', 1);
  t.is((await other.getEntry('b')).createdAt, START);
  await first.storage.close();
  const before = Date.now();
  await other.set('c', 1, { ttl: 60_000 });
  const { createdAt, expiresAt } = await other.getEntry('c');
  t.true(createdAt >= before - 1000 && expiresAt >= createdAt + 59_000, 'the clock of the system goes on');
});

test.serial('a clock that fails breaks no call: what it throws is an uncaught exception of its own', async (t) => {
  const times = [START, NaN, '5', -1, Infinity, undefined, START + 7];
  const uncaught = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  const storage = new StorageManager({
    clock: () => {
      if (times.length === 0) throw new Error('mine');
      return times.shift();
    },
  });
  const engine = storage.getEngine('memory');
  for (let call = 0; call < 9; call++) await engine.get('a');
  engine.setSync('a', 1);
  await new Promise((resolve) => setTimeout(resolve, 1));
  await storage.close();
  process.removeAllListeners('uncaughtException');
  for (const listener of listeners) process.on('uncaughtException', listener);
  t.deepEqual([...new Set(uncaught.map(({ code, message }) => code ?? message))], ['INVALID_ARGUMENT', 'mine']);
  t.is(uncaught.filter(({ code }) => code === 'INVALID_ARGUMENT').length, 5);
  for (const clock of [5, {}, new Date()])
    t.throws(() => new StorageManager({ clock }), { code: 'INVALID_ARGUMENT', message: /option clock/ });
});

for (const name of [...EMBEDDED, 'redis']) {
  test.serial(`${name}: a ttl counts from the clock that judges it, whatever Date says`, async (t) => {
    const { config, make } = ENGINES[name];
    const engine = make(await config(t));
    const { now } = Date;
    const clock = name === 'redis' ? { clock: () => START } : {};
    const storage = new StorageManager(clock);
    try {
      for (const wrong of [0, START, now() + 1_000_000 * DAY]) {
        Date.now = () => wrong;
        await engine.set('lock', 1, { ttl: 60_000 });
        t.is(await engine.get('lock'), 1);
        await engine.batch([{ type: 'set', key: 'short', value: 1, ttl: 1 }]);
        Date.now = now;
        while ((await engine.get('short')) !== null);
      }
    } finally {
      Date.now = now;
      await storage.close();
      await engine.clear();
      await engine.disconnect();
    }
    t.pass();
  });
}
