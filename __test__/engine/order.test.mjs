import fc from 'fast-check';
import { onEach } from '../helpers/engines.mjs';

onEach('calls take effect in the order they were made, from the very first', async (t, engine) => {
  // The first of them are made before the engine is connected.
  const results = await Promise.all([
    engine.get('a'),
    engine.set('a', 1),
    engine.get('a'),
    engine.increment('a'),
    engine.set('b', 5),
    engine.getMany(['a', 'b']),
    engine.delete('a'),
    engine.has('a'),
    engine.setMany([
      ['a', 7],
      ['c', 8],
    ]),
    engine.keys(),
    engine.clear(),
    engine.count(),
    engine.set('a', 9),
    engine.get('a'),
  ]);
  t.deepEqual(results, [
    null,
    undefined,
    1,
    2,
    undefined,
    [2, 5],
    true,
    false,
    undefined,
    ['a', 'b', 'c'],
    undefined,
    0,
    undefined,
    9,
  ]);
});

onEach('a read behind an unresolved write of its key sees it', async (t, engine) => {
  for (let round = 0; round < 200; round++) {
    void engine.set('key', round);
    const read = engine.get('key');
    if (round % 10 === 0) await null;
    t.is(await read, round);
  }
});

onEach('random calls, not awaited, agree with a map', async (t, engine) => {
  const key = fc.constantFrom('a', 'b', 'c/d');
  const call = fc.oneof(
    fc.record({ name: fc.constant('set'), key, value: fc.integer() }),
    fc.record({ name: fc.constantFrom('get', 'has', 'delete', 'increment'), key }),
    fc.record({ name: fc.constantFrom('keys', 'clear', 'getMany', 'setMany') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
      const model = new Map();
      const pending = [engine.clear()];
      const expected = [undefined];
      for (const { name, key: k, value } of calls) {
        switch (name) {
          case 'set':
            pending.push(engine.set(k, value));
            model.set(k, value);
            expected.push(undefined);
            break;
          case 'get':
            pending.push(engine.get(k));
            expected.push(model.get(k) ?? null);
            break;
          case 'has':
            pending.push(engine.has(k));
            expected.push(model.has(k));
            break;
          case 'delete':
            pending.push(engine.delete(k));
            expected.push(model.delete(k));
            break;
          case 'increment':
            pending.push(engine.increment(k));
            model.set(k, (model.get(k) ?? 0) + 1);
            expected.push(model.get(k));
            break;
          case 'keys':
            pending.push(engine.keys());
            expected.push([...model.keys()].sort());
            break;
          case 'clear':
            pending.push(engine.clear());
            model.clear();
            expected.push(undefined);
            break;
          case 'getMany':
            pending.push(engine.getMany(['a', 'b']));
            expected.push([model.get('a') ?? null, model.get('b') ?? null]);
            break;
          case 'setMany':
            pending.push(
              engine.setMany([
                ['a', 0],
                ['b', 0],
              ]),
            );
            model.set('a', 0).set('b', 0);
            expected.push(undefined);
            break;
        }
      }
      t.deepEqual(await Promise.all(pending), expected);
    }),
    { numRuns: 40 },
  );
});
