import fc from 'fast-check';
import { collect, onEach } from '../helpers/engines.mjs';

const KEYS = ['a', 'a/1', 'a/2', 'a/2/x', 'ab', 'b', 'b/1', 'c', '\u00e9', '\ud83d\ude00'];
const entries = KEYS.map((key, index) => [key, { index }]);

onEach('ranges narrow by prefix, bounds and glob, in both directions', async (t, engine) => {
  await engine.setMany(entries);
  for (const [range, expected] of [
    [undefined, KEYS],
    ['', KEYS],
    [{}, KEYS],
    ['a/*', ['a/1', 'a/2', 'a/2/x']],
    ['a/?', ['a/1', 'a/2']],
    ['[b-c]', ['b', 'c']],
    ['[^a]*', ['b', 'b/1', 'c', '\u00e9', '\ud83d\ude00']],
    ['?', ['a', 'b', 'c', '\u00e9', '\ud83d\ude00']],
    [{ prefix: 'a/' }, ['a/1', 'a/2', 'a/2/x']],
    [{ gt: 'a/2', lt: 'b/1' }, ['a/2/x', 'ab', 'b']],
    [{ gte: 'a/2', lte: 'b/1' }, ['a/2', 'a/2/x', 'ab', 'b', 'b/1']],
    [{ prefix: 'a', gt: 'a/2', pattern: '*x' }, ['a/2/x']],
    [{ reverse: true, limit: 2 }, ['\ud83d\ude00', '\u00e9']],
    [{ limit: 0 }, []],
    [{ gt: 'b', lt: 'a' }, []],
  ]) {
    t.deepEqual(await engine.keys(range), expected, JSON.stringify(range));
    t.is(await engine.count(range), expected.length, JSON.stringify(range));
    t.deepEqual(await collect(engine.keysIterator(range)), expected);
    t.deepEqual(
      await collect(engine.entries(range)),
      expected.map((key) => entries.find(([name]) => name === key)),
    );
    t.deepEqual(
      await collect(engine.values(range)),
      expected.map((key) => ({ index: KEYS.indexOf(key) })),
    );
  }
});

onEach('a pattern built to explode answers', async (t, engine) => {
  await engine.set('a'.repeat(4000), 1);
  t.deepEqual(await engine.keys(`${'a*'.repeat(2000)}b`), []);
});

const MANY = Array.from({ length: 3000 }, (_, index) => [`k${String(index).padStart(5, '0')}`, 'x'.repeat(200)]);

onEach('iteration crosses pages without loss', async (t, engine) => {
  await engine.setMany(MANY);
  t.deepEqual(
    await collect(engine.keysIterator()),
    MANY.map(([key]) => key),
  );
});

onEach('iteration over pages stops at a limit', async (t, engine) => {
  await engine.setMany(MANY);
  t.is((await collect(engine.entries({ limit: 2500 }))).length, 2500);
});

onEach('iteration begins at a bound far behind the first page', async (t, engine) => {
  await engine.setMany(MANY);
  t.deepEqual(await collect(engine.values({ gte: 'k02999' })), ['x'.repeat(200)]);
});

onEach('calls of next that race come in order', async (t, engine) => {
  await engine.setMany(entries);
  const iterator = engine.keysIterator();
  const results = await Promise.all(Array.from({ length: KEYS.length + 2 }, () => iterator.next()));
  t.deepEqual(
    results.map(({ value }) => value),
    [...KEYS, undefined, undefined],
  );
  t.true(results.at(-1).done);
});

onEach('a loop over an iteration may break', async (t, engine) => {
  await engine.setMany(entries);
  for await (const key of engine.keysIterator()) {
    t.is(key, 'a');
    break;
  }
});

onEach('return ends an iteration', async (t, engine) => {
  await engine.setMany(entries);
  const returned = engine.entries();
  await returned.next();
  t.deepEqual(await returned.return(), { done: true, value: undefined });
  t.deepEqual(await returned.next(), { done: true, value: undefined });
});

onEach('throw ends an iteration and rejects with what it was given', async (t, engine) => {
  await engine.setMany(entries);
  const thrown = engine.entries();
  await thrown.next();
  await t.throwsAsync(thrown.throw(new Error('mine')), { message: 'mine' });
  t.true((await thrown.next()).done);
});

onEach('disposal ends an iteration', async (t, engine) => {
  await engine.setMany(entries);
  const disposed = engine.entries();
  await disposed[Symbol.asyncDispose]();
  t.true((await disposed.next()).done);
});

onEach('a disconnect ends iterators with CLOSED', async (t, engine) => {
  await engine.setMany(entries);
  const iterator = engine.entries();
  await iterator.next();
  await engine.disconnect();
  await t.throwsAsync(iterator.next(), { code: 'CLOSED' });
  t.true((await iterator.next()).done);
});

onEach('ranges agree with a model', async (t, engine) => {
  const key = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '\u00e9', '\uffff', '\ud83d\ude00'),
    minLength: 1,
    maxLength: 4,
  });
  const bytes = (text) => Buffer.from(text);
  const less = (a, b) => Buffer.compare(bytes(a), bytes(b)) < 0;
  const bound = fc.option(key, { nil: undefined });
  const range = fc.record({
    prefix: bound,
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    reverse: fc.boolean(),
    limit: fc.option(fc.nat(6), { nil: undefined }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(key, { maxLength: 12 }),
      fc.array(range, { maxLength: 4 }),
      async (keys, ranges) => {
        await engine.clear();
        await engine.setMany(keys.map((name) => [name, name]));
        for (const query of ranges) {
          const { prefix = '', gt, gte, lt, lte, reverse, limit = Infinity } = query;
          const expected = keys.filter(
            (k) =>
              k.startsWith(prefix) &&
              !(gt && !less(gt, k)) &&
              !(gte && less(k, gte)) &&
              !(lt && !less(k, lt)) &&
              !(lte && less(lte, k)),
          );
          expected.sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
          if (reverse) expected.reverse();
          t.deepEqual(await engine.keys(query), expected.slice(0, limit));
        }
      },
    ),
    { numRuns: 30 },
  );
});
