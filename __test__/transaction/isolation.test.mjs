// The isolation of transactions in short; `npm run reliability -- isolation` runs the same at length.
import test from 'ava';
import { WAYS, countTogether, openSecond } from '../../reliability/isolation/counter/index.mjs';
import { MODES, runHistory } from '../../reliability/isolation/histories/index.mjs';
import { actor, remoteActor } from '../../reliability/isolation/matrix/actors.mjs';
import { runMatrix } from '../../reliability/isolation/matrix/index.mjs';
import { openSession } from '../../reliability/isolation/session.mjs';
import { ENGINES, places } from '../../reliability/lib/places.mjs';

let stores;

test.before('a folder and a Redis server', async () => {
  stores = await places({ durability: 'none' });
});

test.after.always('remove them', () => stores?.stop());

const SHARED = ['sqlite', 'redis'];

function isSerializable(t, rows) {
  t.is(rows.length, 16);
  t.deepEqual(
    rows.filter(({ prevented }) => !prevented),
    [],
  );
  t.true(rows.some(({ cell }) => cell.includes('CONFLICT')));
}

for (const name of ENGINES) {
  test(`${name}: each scenario of Hermitage is serializable`, async (t) => {
    const session = await openSession(stores.next(name));
    t.teardown(() => session.close());
    isSerializable(
      t,
      await runMatrix(
        session.engine,
        [1, 2, 3].map(() => actor({ begin: session.begin })),
      ),
    );
  });

  for (const mode of MODES[name]) {
    test(`${name}: a random history, ${mode}, shows no anomaly`, async (t) => {
      const { anomalies, committed, edges } = await runHistory({
        place: stores.next(name),
        mode,
        seed: 'short',
        transactions: 300,
      });
      t.deepEqual(anomalies, []);
      t.true(committed >= 300 && edges > 1000);
    });
  }
}

for (const name of SHARED) {
  test(`${name}: each scenario of Hermitage is serializable between processes`, async (t) => {
    const place = stores.next(name);
    const session = await openSession(place);
    t.teardown(() => session.close());
    const actors = await Promise.all([1, 2, 3].map(() => remoteActor(place)));
    t.teardown(() => Promise.all(actors.map((each) => each.stop())));
    isSerializable(t, await runMatrix(session.engine, actors));
  });

  for (const way of WAYS) {
    test(`${name}: two processes count exactly, by ${way}`, async (t) => {
      const { value, expected } = await countTogether({ place: stores.next(name), way, times: 200 });
      t.is(value, expected);
    });
  }
}

for (const name of ['file', 'leveldb']) {
  test(`${name}: a second process gets LOCKED`, async (t) => {
    t.is(await openSecond({ place: stores.next(name) }), 'LOCKED');
  });
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb']) {
  test(`${name}: two listings that stop at the same keys are guarded each for itself`, async (t) => {
    const session = await openSession(stores.next(name));
    t.teardown(() => session.close());
    const keys = Array.from({ length: 6000 }, (_, i) => `k/${String(i).padStart(6, '0')}/a`);
    await session.engine.setMany(keys.map((key) => [key, 'x'.repeat(100)]));
    const tx = await session.begin();
    const [all, some] = [tx.entries({ prefix: 'k/' }), tx.entries({ pattern: 'k/*/a' })];
    for (let done = false; !done;) done = [await all.next(), await some.next()].every((result) => result.done);
    await tx.set('result', 1);
    await session.engine.set('k/005500/b', 'only in the first of them');
    await t.throwsAsync(tx.commit(), { code: 'CONFLICT' });
  });
}
