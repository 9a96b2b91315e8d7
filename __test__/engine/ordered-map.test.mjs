import fc from 'fast-check';
import { collect, onEach } from '../helpers/engines.mjs';

const key = fc.constantFrom('a', 'a/b', 'A', 'b', '..', '__proto__', 'é', 'e\u0301', 'z');
const value = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.constant(null),
  fc.record({ n: fc.nat(), list: fc.array(fc.boolean(), { maxLength: 3 }) }),
);
const expiry = fc.constantFrom('never', 'never', 'past', 'future');

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ name: fc.constant('set'), key, value, expiry }) },
    { weight: 3, arbitrary: fc.record({ name: fc.constant('delete'), key }) },
    { weight: 2, arbitrary: fc.record({ name: fc.constant('batch'), key, other: key, value, holds: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ name: fc.constant('read'), key }) },
    { weight: 1, arbitrary: fc.record({ name: fc.constantFrom('snapshot', 'check', 'restart', 'clear') }) },
  ),
  { maxLength: 30 },
);

const byBytes = ([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const sorted = (model) => [...model].sort(byBytes);

/** One random sequence, on the engine and on a map. */
async function agree(t, engine, sequence) {
  const model = new Map();
  const snapshots = [];
  const { snapshots: hasSnapshots } = engine.capabilities;
  const close = () => Promise.all(snapshots.splice(0).map(({ snapshot }) => snapshot.close()));
  await engine.clear();
  for (const step of sequence) {
    switch (step.name) {
      case 'set': {
        const expiresAt = { never: undefined, past: Date.now() - 1, future: Date.now() + 600_000 }[step.expiry];
        await engine.set(step.key, step.value, expiresAt === undefined ? undefined : { expiresAt });
        if (step.expiry === 'past') model.delete(step.key);
        else model.set(step.key, step.value);
        break;
      }
      case 'delete':
        t.is(await engine.delete(step.key), model.delete(step.key));
        break;
      case 'batch': {
        const found = await engine.getEntry(step.key);
        const version = step.holds ? (found?.version ?? null) : found === null ? 'ffff' : null;
        const batch = engine.batch([
          { type: 'check', key: step.key, version },
          { type: 'set', key: step.other, value: step.value },
          { type: 'delete', key: step.key },
        ]);
        if (step.holds) {
          await batch;
          model.set(step.other, step.value);
          model.delete(step.key);
        } else {
          await t.throwsAsync(batch, { code: 'CONFLICT' });
        }
        break;
      }
      case 'read':
        t.deepEqual(await engine.get(step.key), model.get(step.key) ?? null);
        t.is(await engine.has(step.key), model.has(step.key));
        break;
      case 'clear':
        await engine.clear();
        model.clear();
        break;
      case 'snapshot':
        if (hasSnapshots) snapshots.push({ snapshot: await engine.snapshot(), then: new Map(model) });
        break;
      case 'check':
        for (const { snapshot, then } of snapshots) t.deepEqual(await collect(snapshot.entries()), sorted(then));
        break;
      case 'restart':
        await close();
        await engine.disconnect();
        t.is(engine.status, 'idle');
        break;
    }
  }
  t.deepEqual(await collect(engine.entries()), sorted(model));
  t.is(await engine.count(), model.size);
  for (const { snapshot, then } of snapshots) t.deepEqual(await collect(snapshot.entries()), sorted(then));
  await close();
}

onEach(
  'random operations agree with an ordered map through snapshots, expiry and restarts',
  async (t, engine) => {
    await fc.assert(
      fc.asyncProperty(steps, (sequence) => agree(t, engine, sequence)),
      { numRuns: 40 },
    );
  },
  ['memory', 'file', 'sqlite', 'leveldb', 'redis'],
);
