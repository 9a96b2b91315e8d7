// Deletions of ranges, and deletions under a condition.
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES, onEach } from '../helpers/engines.mjs';
import { codeOf } from '../helpers/transactions.mjs';

const KEYS = ['a', 'a:1', 'a:2', 'a:3', 'b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é'];

/** What is left after each deletion. */
const DELETIONS = [
  ['tmp:*', ['a', 'a:1', 'a:2', 'a:3', 'b:1', 'tmp', 'x:tmp', 'é']],
  ['*tmp*', ['a', 'a:1', 'a:2', 'a:3', 'b:1', 'é']],
  ['?:[12]', ['a', 'a:3', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  ['a:1', ['a', 'a:2', 'a:3', 'b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  ['nothing*', KEYS],
  ['*', []],
  [{}, []],
  [{ prefix: 'a' }, ['b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  [{ gt: 'a:1', lte: 'b:1' }, ['a', 'a:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  [{ gte: 'tmp' }, ['a', 'a:1', 'a:2', 'a:3', 'b:1']],
  [{ gte: 'b', lt: 'a' }, KEYS],
  [{ prefix: 'a:', pattern: '*[13]' }, ['a', 'a:2', 'b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  [{ limit: 3 }, ['a:3', 'b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  [{ limit: 0 }, KEYS],
  [{ prefix: 'a', reverse: true, limit: 2 }, ['a', 'a:1', 'b:1', 'tmp', 'tmp:1', 'tmp:2', 'x:tmp', 'é']],
  [{ pattern: '*1', reverse: true, limit: 1 }, ['a', 'a:1', 'a:2', 'a:3', 'b:1', 'tmp', 'tmp:2', 'x:tmp', 'é']],
  [{ reverse: true }, []],
];

const fill = (store, write = 'setMany') => store[write](KEYS.map((key) => [key, 1]));

onEach('clear removes the keys of a glob or a range, and no others', async (t, engine) => {
  for (const [query, left] of DELETIONS) {
    await fill(engine);
    t.is(await engine.clear(query), undefined);
    t.deepEqual(await engine.keys(), left, JSON.stringify(query));
  }
});

onEach('deleteRange is a step of a batch', async (t, engine) => {
  for (const [range, left] of DELETIONS) {
    await fill(engine);
    await engine.batch([
      { type: 'set', key: 'zz', value: 1 },
      { type: 'deleteRange', range },
    ]);
    t.deepEqual(
      (await engine.keys()).filter((key) => key !== 'zz'),
      left,
      JSON.stringify(range),
    );
    await engine.delete('zz');
  }
});

onEach('the steps of a batch with deleteRange apply in order', async (t, engine) => {
  await fill(engine);
  await engine.batch([
    { type: 'set', key: 'tmp:3', value: 1 },
    { type: 'delete', key: 'tmp:1' },
    { type: 'deleteRange', range: { pattern: 'tmp?*', limit: 2 } },
    { type: 'set', key: 'tmp:4', value: 1 },
  ]);
  t.deepEqual(await engine.keys('tmp*'), ['tmp', 'tmp:4']);
  const version = (await engine.getEntry('a')).version;
  await engine.batch([
    { type: 'deleteRange', range: '*:*' },
    { type: 'check', key: 'a', version },
  ]);
  t.deepEqual(await engine.keys(), ['a', 'tmp', 'é']);
  const failed = engine.batch([
    { type: 'deleteRange', range: { prefix: 'a' } },
    { type: 'check', key: 'a', version: null },
  ]);
  t.is(await codeOf(failed), 'CONFLICT');
  t.true(await engine.has('a'));
});

onEach('calls around a clear keep their order', async (t, engine) => {
  for (const query of ['a:*', '?:*', { prefix: 'a', limit: 9 }]) {
    await fill(engine);
    const calls = [
      engine.set('a:7', 1),
      engine.increment('a:1', 5),
      engine.clear(query),
      engine.increment('a:1', 3),
      engine.set('a:9', 1),
      engine.keys('a:*'),
    ];
    const keys = (await Promise.all(calls)).at(-1);
    t.deepEqual(keys, ['a:1', 'a:9'], JSON.stringify(query));
    t.is(await engine.get('a:1'), 3);
  }
});

onEach('a clear of a store stays within its prefix', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p[*]');
  const others = [new KeyValueStore(engine, 'p'), new KeyValueStore(engine, 'p[*]x')];
  for (const other of others) await other.set('tmp:1', 1);
  for (const [query, left] of DELETIONS) {
    await fill(store, 'mset');
    await store.clear(query);
    t.deepEqual(await store.keys(), left, JSON.stringify(query));
  }
  await store.clear();
  t.is(await engine.count(), 2);
});

onEach('a range to be deleted has to say something', async (t, engine) => {
  await fill(engine);
  const store = new KeyValueStore(engine);
  for (const query of [
    '',
    { prefix: undefined },
    { prefix: undefined, limit: undefined },
    { prefx: 'a' },
    /tmp/,
    new Date(),
    [],
    ['a'],
    new Map([['prefix', 'a']]),
    new Set(['a']),
    null,
    5,
    true,
    () => {},
    Promise.resolve('a'),
    new AbortController().signal,
    Buffer.from(''),
    new Error('e'),
  ]) {
    t.is(await codeOf(engine.clear(query)), 'INVALID_ARGUMENT');
    t.is(await codeOf(store.clear(query)), 'INVALID_ARGUMENT');
    t.is(await codeOf(engine.batch([{ type: 'deleteRange', range: query }])), 'INVALID_ARGUMENT');
    if (query === '' || query?.prefix === undefined) continue;
    t.is(await codeOf(engine.keys(query)), 'INVALID_ARGUMENT');
  }
  t.is(await codeOf(engine.batch([{ type: 'deleteRange' }])), 'INVALID_ARGUMENT');
  t.is(await codeOf(engine.batch([{ type: 'deleteRange', range: {}, key: 'a' }])), 'INVALID_ARGUMENT');
  t.is(await codeOf(engine.batch([{ type: 'delete', key: 'a', ifVersion: '1' }])), 'INVALID_ARGUMENT');
  t.is(await codeOf(engine.deleteMany({ prefix: 'a' })), 'INVALID_ARGUMENT');
  t.is(await engine.count(), KEYS.length);
});

onEach('what is no range is no query of a read either', async (t, engine) => {
  const store = new KeyValueStore(engine, 'p');
  for (const query of [/re/, new Date(), [], ['a'], new Map(), new Set(), Buffer.from(''), new URL('a:b'), null]) {
    for (const from of [engine, store]) {
      t.is(await codeOf(from.keys(query)), 'INVALID_ARGUMENT');
      t.is(await codeOf(from.count(query)), 'INVALID_ARGUMENT');
      t.is(await codeOf(from.entries(query).next()), 'INVALID_ARGUMENT');
      t.is(await codeOf(from.watch(query).next()), 'INVALID_ARGUMENT');
    }
  }
});

onEach('options that are no options are refused', async (t, engine) => {
  const { signal } = new AbortController();
  for (const options of [new Date(), /re/, new Map([['ttl', 5]]), [], signal, Buffer.alloc(0), Promise.resolve({})]) {
    t.is(await codeOf(engine.set('a', 1, options)), 'INVALID_ARGUMENT');
    t.is(await codeOf(engine.delete('a', options)), 'INVALID_ARGUMENT');
    t.is(await codeOf(engine.get('a', options)), 'INVALID_ARGUMENT');
    t.is(await codeOf(engine.verify(options)), 'INVALID_ARGUMENT');
  }
  const error = await t.throwsAsync(engine.get('a', signal));
  t.is(
    error.message,
    'Expected the options of get to be an object, got an instance of AbortSignal; give it as { signal }',
  );
});

onEach('a clear leaves the keys of models to them', async (t, engine) => {
  await engine.set('a', 1);
  for (const query of ['docs/*', 'docs/a/?', { prefix: 'graphs/x' }, { prefix: 'objects/' }])
    t.is(await codeOf(engine.clear(query)), 'INVALID_KEY');
  t.deepEqual(await engine.keys(), ['a']);
});

onEach('a delete with ifVersion deletes that version alone', async (t, engine) => {
  await engine.set('a', 1);
  const { version } = await engine.getEntry('a');
  await engine.set('a', 2);
  t.like(await t.throwsAsync(engine.delete('a', { ifVersion: version })), {
    code: 'CONFLICT',
    key: 'a',
    operation: 'delete',
    engine: engine.name,
  });
  t.is(await engine.get('a'), 2);
  t.true(await engine.delete('a', { ifVersion: (await engine.getEntry('a')).version }));
  t.false(await engine.has('a'));
  t.is(await codeOf(engine.delete('a', { ifVersion: version })), 'CONFLICT', 'an absent key has no version');
  for (const ifVersion of ['', 5, null]) t.is(await codeOf(engine.delete('a', { ifVersion })), 'INVALID_ARGUMENT');
  t.is(await codeOf(engine.delete('a', { ifAbsent: true })), 'INVALID_ARGUMENT');
  t.false(await engine.delete('a', {}));
  const store = new KeyValueStore(engine, 'p');
  await store.set('b', 'other');
  t.is(await codeOf(store.delete('b', { ifVersion: version })), 'CONFLICT');
  t.true(await store.delete('b', { ifVersion: (await store.getEntry('b')).version }));
});

for (const name of ENGINE_NAMES) {
  test(`${name}: deletions in a transaction are those of the engine`, async (t) => {
    const { config, make } = ENGINES[name];
    const engine = make(await config(t));
    const storage = new StorageManager({ defaultEngine: 'tested' }).registerEngine('tested', engine);
    t.teardown(async () => {
      await storage.close();
      if (name === 'redis') await engine.clear();
      await engine.disconnect();
    });
    for (const [query, left] of DELETIONS) {
      await engine.clear();
      await fill(engine);
      await storage.transaction(async (tx) => {
        tx.set('tmp:3', 1);
        await tx.delete('tmp:3');
        await tx.clear(query);
        t.deepEqual(await tx.keys(), left, JSON.stringify(query));
        tx.set('tmp:9', 1);
        t.true(await tx.has('tmp:9'));
        await tx.batch([{ type: 'deleteRange', range: 'tmp:[9]' }]);
      });
      t.deepEqual(await engine.keys(), left, JSON.stringify(query));
    }
    await engine.set('a', 1);
    const { version } = await engine.getEntry('a');
    await engine.set('a', 2);
    const failed = storage.transaction((tx) => tx.delete('a', { ifVersion: version }));
    t.is(await codeOf(failed), 'CONFLICT');
    await storage.transaction(async (tx) => tx.delete('a', { ifVersion: (await tx.getEntry('a')).version }));
    t.false(await engine.has('a'));
  });
}

onEach('a watch is told of what a clear removed', async (t, engine) => {
  await fill(engine);
  const seen = new Set(KEYS);
  const watch = engine.watch();
  await watch.ready;
  await engine.clear({ pattern: '*:*', reverse: true, limit: 2 });
  await engine.clear('a:*');
  await engine.set('end', 1);
  const holds = ({ prefix = '', gte = '', lt = '\uffff' } = {}, key) =>
    key.startsWith(prefix) && key >= gte && key < lt;
  for await (const { type, key, range } of watch) {
    if (key === 'end') break;
    for (const name of seen) if (type === 'delete' ? name === key : holds(range, name)) seen.delete(name);
  }
  t.deepEqual([...seen], ['a', 'b:1', 'tmp', 'tmp:1', 'é']);
});
