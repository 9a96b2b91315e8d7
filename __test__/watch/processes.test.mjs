import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { ending, program, running } from '../helpers/program.mjs';
import { plain, take } from '../helpers/watching.mjs';

const WRITE_GROUPS = new URL('programs/write-groups.mjs', import.meta.url);
const CHANGE_LOG_ENDS = new URL('programs/change-log-ends.mjs', import.meta.url);
const FOLLOW = new URL('programs/follow.mjs', import.meta.url);
const WAIT_UNHELD = new URL('programs/wait-unheld.mjs', import.meta.url);
const LEAVE = new URL('programs/leave.mjs', import.meta.url);
const EXIT_WATCHING = new URL('programs/exit-watching.mjs', import.meta.url);
const MEASURE_MEMORY = new URL('programs/measure-memory.mjs', import.meta.url);

const open = (name, options) => new StorageManager({ defaultEngine: name, [name]: options }).getEngine();

for (const name of ['sqlite', 'redis']) {
  test(`${name}: changes of another process are told, in one order with our own`, async (t) => {
    const options = await ENGINES[name].config(t);
    const engine = open(name, options);
    await engine.connect();
    if (engine.capabilities.watch !== 'shared') return t.is(engine.capabilities.watch, 'none');
    const watch = engine.watch('n:*');
    await watch.ready;
    const other = running(t, WRITE_GROUPS, { name, options });
    for (let n = 0; n < 200; n++) await engine.set('n:own', n);
    t.is(await other.next(), 'done');
    await engine.set('n:last', true);
    const events = [];
    do events.push(...(await take(watch, 1)));
    while (events.at(-1).key !== 'n:last');
    const commits = events.map(({ commit }) => commit);
    t.deepEqual(
      commits,
      commits.toSorted((a, b) => a - b),
    );
    t.deepEqual(
      events.filter(({ key }) => key === 'n:own').map(({ value }) => value),
      Array.from({ length: 200 }, (_, n) => n),
    );
    const others = events.filter(({ key }) => key === 'n:other' || key === 'n:pair');
    t.is(others.length, 400);
    for (let n = 0; n < 400; n += 2) {
      t.is(others[n].commit, others[n + 1].commit);
      // A value that was changed again before it was read is left out.
      t.true([undefined, n / 2].includes(others[n].value));
    }
    t.is(others.at(-1).value, 199);
    await engine.disconnect();
  });
}

test('sqlite: a log that nobody asked for goes with the watch', async (t) => {
  const options = await ENGINES.sqlite.config(t);
  const engine = open('sqlite', options);
  const watch = engine.watch();
  await watch.ready;
  t.not((await engine.stats()).logFloor, null);
  await watch.return();
  await engine.disconnect();
  const [floor] = await program(CHANGE_LOG_ENDS, { options });
  t.true(floor === true || floor === 'no reader');
});

for (const name of ['file', 'sqlite', 'leveldb']) {
  test(`${name}: threads tell each other`, async (t) => {
    const options = { [name === 'file' ? 'basePath' : 'path']: join(folderOf(t), 'store'), durability: 'normal' };
    const engine = open(name, options);
    const watch = engine.watch();
    await watch.ready;
    const worker = new Worker(new URL('../helpers/worker.mjs', import.meta.url), { workerData: { name, options } });
    worker.postMessage({
      id: 1,
      method: 'setMany',
      args: [
        [
          ['a', 1],
          ['b', { deep: [2] }],
        ],
      ],
    });
    await once(worker, 'message');
    t.deepEqual((await take(watch, 2)).map(plain), [
      { type: 'set', key: 'a', value: 1 },
      { type: 'set', key: 'b', value: { deep: [2] } },
    ]);
    await worker.terminate();
    await engine.set('c', 3);
    t.is((await take(watch, 1))[0].key, 'c');
    await engine.disconnect();
  });
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb']) {
  const optionsFor = (t) => ENGINES[name].config(t);

  test(`${name}: an open watch keeps the process alive`, async (t) => {
    const options = await optionsFor(t);
    t.deepEqual(await program(FOLLOW, { name, options }), [1, 2]);
  });

  test(`${name}: a watch with persistent: false does not keep the process alive`, async (t) => {
    const options = await optionsFor(t);
    t.deepEqual(await program(WAIT_UNHELD, { name, options }), ['idle']);
  });

  test(`${name}: watches that were left do not keep the process alive`, async (t) => {
    const options = await optionsFor(t);
    t.deepEqual(await program(LEAVE, { name, options }).then((said) => said.includes('left')), true);
  });

  test(`${name}: a process that exits with watches open ends well`, async (t) => {
    const options = await optionsFor(t);
    const { code, stderr } = await ending(EXIT_WATCHING, { name, options });
    t.deepEqual([code, stderr], [5, '']);
  });
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb']) {
  test(`${name}: ten thousand watches leave memory as it was, returned or lost`, async (t) => {
    for (const returned of [true, false]) {
      const [grown] = await program(MEASURE_MEMORY, { name, options: await ENGINES[name].config(t), returned });
      const how = returned ? 'returned' : 'lost';
      t.log(`${how}: ${grown} MB`);
      t.true(grown < 12, `${grown} MB more after 10,000 watches (${how})`);
    }
  });
}
