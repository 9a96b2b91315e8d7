// Several consumers of one name, and consumers whose process dies.
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import test from 'ava';
import { managerOf, noting, onEachConsumed, until } from '../helpers/consuming.mjs';
import { running } from '../helpers/program.mjs';

const CONSUME = new URL('programs/consume.mjs', import.meta.url);
const CONSUME_IN_THREAD = new URL('programs/consume-in-thread.mjs', import.meta.url);

onEachConsumed('of two consumers of a name one stands by, and takes over', async (t, storage, { engine }) => {
  const one = noting(storage, 'c', '*');
  await one.consumer.ready;
  const two = noting(storage, 'c', '*', { sessionTimeout: 1000 }); // that of the other one counts
  await until(() => two.consumer.state === 'standby');
  await engine.set('a', 1);
  await until(() => one.calls.length === 1);
  t.is((await two.consumer.stats()).commits, 0);
  await one.consumer.stop();
  await engine.set('b', 1);
  await two.consumer.ready;
  await until(() => two.calls.length === 1);
  t.deepEqual([one.calls, two.calls], [[['a']], [['b']]]);
  const three = noting(storage, 'c', '*');
  await until(() => three.consumer.state === 'standby');
  await three.consumer.stop();
  await t.throwsAsync(three.consumer.ready, { code: 'CLOSED' });
  t.is(two.consumer.state, 'running');
});

onEachConsumed(
  'kill -9 inside the handler: the next start hands the commit over again',
  async (t, storage, { name, config: any, open }) => {
    await storage.close();
    // At `none` a dead process may take with it what it wrote last.
    const config = { ...any, durability: 'normal' };
    const child = running(t, CONSUME, { name, config, hangsAt: 'k2', sessionTimeout: 600_000 });
    t.is(await child.next(), 'ready');
    const told = [];
    while (told.length < 4) told.push(await child.next());
    t.deepEqual(told.sort(), ['k0', 'k1', 'k2', 'written']);
    await child.kill();
    const again = open(config);
    // The timeout is long: that the process has ended is seen.
    const { calls, consumer } = noting(again, 'c', 'k*');
    await consumer.ready;
    await again.getEngine().set('k9', 1);
    await until(() => calls.flat().includes('k9'));
    t.is(calls[0][0], 'k2');
    t.deepEqual(calls.flat(), ['k2', 'k3', 'k9']);
  },
  ['file', 'sqlite', 'leveldb', 'redis'],
);

onEachConsumed(
  'a holder that gives no sign of life loses the name, and can write no cursor',
  async (t, storage, { name, config, engine }) => {
    await engine.set('before', 1);
    const child = running(t, CONSUME, { name, config, sessionTimeout: 1000, quiet: true });
    t.is(await child.next(), 'ready');
    await engine.set('k1', 1);
    t.is(await child.next(), 'k1');
    child.signal('SIGSTOP');
    const { calls, consumer } = noting(storage, 'c', 'k*');
    await engine.set('k2', 1);
    await consumer.ready;
    await until(() => calls.flat().includes('k2'));
    child.signal('SIGCONT');
    for (let told; told !== 'standby';) told = await child.next();
    await engine.set('k3', 1);
    await until(() => calls.flat().includes('k3'));
    t.is(consumer.state, 'running');
    await consumer.stop();
    await engine.set('k4', 1);
    for (let told; told !== 'k4';) {
      told = await child.next();
      t.not(told, 'k3', 'it goes on where the other one was');
    }
  },
  ['sqlite', 'redis'],
);

test('a thread that ends without a word loses the name', async (t) => {
  const { storage, config } = await managerOf(t, 'leveldb');
  const engine = storage.getEngine();
  await engine.connect();
  const worker = new Worker(CONSUME_IN_THREAD, { workerData: { name: 'leveldb', config } });
  await once(worker, 'message');
  await engine.set('a', 1);
  await once(worker, 'message');
  const { calls, consumer } = noting(storage, 'c', '*');
  await until(() => consumer.state === 'standby');
  await worker.terminate();
  await consumer.ready;
  await engine.set('b', 1);
  await until(() => calls.flat().includes('b'));
  t.is(consumer.state, 'running');
});
