// Reads that a signal aborts.
import { KeyValueStore } from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

const ABORTED = { code: 'ABORTED', name: 'AbortError' };

const READS = {
  get: (store, options) => store.get('a', options),
  has: (store, options) => store.has('a', options),
  getEntry: (store, options) => store.getEntry('a', options),
  keys: (store, options) => store.keys('a*', options),
  count: (store, options) => store.count(undefined, options),
  getMany: (store, options) => (store.getMany ? store.getMany(['a', 'b'], options) : store.mget(['a', 'b'], options)),
  entries: (store, options) => collect(store.entries('a*', options)),
  values: (store, options) => collect(store.values({ prefix: 'a' }, options)),
  keysIterator: (store, options) => collect(store.keysIterator(undefined, options)),
};
const DELETIONS = {
  delete: (store, options) => store.delete('a', options),
  clear: (store, options) => store.clear('a*', options),
};

onEach('every read and deletion takes a signal', async (t, engine) => {
  const stores = [engine, new KeyValueStore(engine, 'p'), new KeyValueStore(engine)];
  if (engine.capabilities.snapshots) stores.push(await engine.snapshot());
  for (const store of stores) await store.set?.('a', 1);
  for (const store of stores) {
    for (const [name, call] of Object.entries({ ...READS, ...(store.set === undefined ? {} : DELETIONS) })) {
      const reason = new Error('enough');
      const aborted = await t.throwsAsync(call(store, { signal: AbortSignal.abort(reason) }), ABORTED, name);
      t.is(aborted.cause, reason);
      const wrong = { code: 'INVALID_ARGUMENT' };
      await t.throwsAsync(call(store, { signal: {} }), wrong, name);
      await t.throwsAsync(call(store, { signl: undefined }), wrong, name);
      if (name in READS) t.deepEqual(await call(store, { signal: new AbortController().signal }), await call(store));
    }
  }
  t.is(await engine.get('a'), 1, 'an aborted deletion did nothing');
});

onEach('an iterator ends at its signal, once, with ABORTED', async (t, engine) => {
  await engine.setMany(Array.from({ length: 300 }, (_, index) => [`k${1000 + index}`, 'x'.repeat(500)]));
  const controller = new AbortController();
  const iterator = engine.entries({ prefix: 'k' }, { signal: controller.signal });
  t.is((await iterator.next()).value[0], 'k1000');
  controller.abort();
  await t.throwsAsync(iterator.next(), ABORTED);
  t.deepEqual(await iterator.next(), { done: true, value: undefined });
  const second = new AbortController();
  const waiting = engine.keysIterator('k*', { signal: second.signal });
  const next = waiting.next();
  second.abort();
  await t.throwsAsync(next, ABORTED);
});

onEach('a read whose signal fires while it waits is aborted', async (t, engine) => {
  await engine.disconnect();
  const controller = new AbortController();
  const read = engine.get('a', { signal: controller.signal });
  controller.abort();
  await t.throwsAsync(read, { ...ABORTED, message: 'The call of get was aborted' });
  t.is(await engine.get('a'), null);
});
