// Random calls of transactions beside a map.
import { Buffer } from 'node:buffer';
import { collect } from '../helpers/engines.mjs';
import { onEachTransactional as onEach } from '../helpers/transactions.mjs';
import { seeded } from '../../reliability/lib/random.mjs';

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

// Small and large values, awaited or not: writes that wait to cross to the addon together are seen by every call after
// them.
onEach('random calls see and leave what a map would, awaited or not', async (t, storage, engine) => {
  const random = seeded(`own writes ${engine.name}`);
  const keys = ['a', 'ab', 'b/1', 'b/2', 'ç', '\u0000', 'x\u0001y'];
  for (let round = 0; round < 12; round += 1) {
    const model = new Map(Object.entries(Object.fromEntries(await collect(engine.entries()))));
    const checks = [];
    const later = (promise, expected, what) =>
      checks.push(promise.then((found) => t.deepEqual(found, expected, `round ${round}: ${what}`)));
    await storage.transaction(async (tx) => {
      for (let step = 0; step < 40; step += 1) {
        const key = random.pick(keys);
        const value = random.chance(0.1)
          ? 'long'.repeat(20_000 + step)
          : random.pick([step, null, { step }, [`"${step}"`, 'é'], Buffer.from([step])]);
        const call = random.weighted({
          set: 8,
          get: 6,
          delete: 2,
          increment: 1,
          entry: 1,
          batch: 2,
          has: 1,
          many: 1,
          keys: 1,
          count: 1,
          entries: 1,
          ttl: 1,
          clear: 0.3,
        });
        if (call === 'set') {
          later(tx.set(key, value), undefined, call);
          model.set(key, value);
        } else if (call === 'ttl') {
          later(tx.set(key, value, { ttl: 3_600_000 }), undefined, call);
          model.set(key, value);
        } else if (call === 'get') later(tx.get(key), model.get(key) ?? null, call);
        else if (call === 'has') later(tx.has(key), model.has(key), call);
        else if (call === 'entry')
          later(
            tx.getEntry(key).then((entry) => entry?.value),
            model.get(key),
            call,
          );
        else if (call === 'many')
          later(
            tx.getMany(keys),
            keys.map((one) => model.get(one) ?? null),
            call,
          );
        else if (call === 'count') later(tx.count(), model.size, call);
        else if (call === 'keys') later(tx.keys(), [...model.keys()].sort(byBytes), call);
        else if (call === 'entries')
          t.deepEqual(
            await collect(tx.entries()),
            [...model].sort(([a], [b]) => byBytes(a, b)),
            `round ${round}: ${call}`,
          );
        else if (call === 'delete') {
          later(tx.delete(key), model.has(key), call);
          model.delete(key);
        } else if (call === 'increment') {
          const counted = typeof model.get('n') === 'number' ? model.get('n') + 1 : 1;
          later(tx.increment('n'), counted, call);
          model.set('n', counted);
        } else if (call === 'batch') {
          later(
            tx.batch([
              { type: 'set', key, value },
              { type: 'delete', key: 'a' },
            ]),
            undefined,
            call,
          );
          model.set(key, value);
          model.delete('a');
        } else {
          later(tx.clear(), undefined, call);
          model.clear();
        }
        if (random.chance(0.3)) await Promise.all(checks.splice(0));
      }
    });
    await Promise.all(checks);
    t.deepEqual(
      await collect(engine.entries()),
      [...model].sort(([a], [b]) => byBytes(a, b)),
      `round ${round}: after the commit`,
    );
  }
});
