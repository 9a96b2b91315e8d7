import { judge } from './judge.mjs';
import { SCENARIOS } from './scenarios.mjs';
import { INITIAL, Subject } from './subject.mjs';

/**
 * Runs every scenario on one store.
 *
 * @param engine - the engine the scenario's records are put into and read from at its end
 * @param actors - three of them, for the transactions T1, T2 and T3
 * @returns for each scenario `{ id, title, prevented, cell }`
 */
export async function runMatrix(engine, actors) {
  const rows = [];
  for (const { id, title, run } of SCENARIOS) {
    await reset(engine);
    const subjects = actors.map((actor, i) => new Subject(`T${i + 1}`, actor));
    const [t1, t2, t3] = subjects;
    await run({ t1, t2, t3 });
    const left = subjects.filter(({ outcome }) => outcome === 'pending');
    if (left.length > 0)
      throw new Error(`${id}, ${title}: the scenario left ${left.map(({ name }) => name).join(', ')} open`);
    rows.push({ id, title, ...judge(subjects, await contents(engine)) });
  }
  return rows;
}

async function reset(engine) {
  for (const [id] of await contents(engine)) await engine.delete(`test/${id}`);
  for (const [id, value] of INITIAL) await engine.set(`test/${id}`, value);
}

async function contents(engine) {
  const keys = await engine.keys('test/*');
  const records = [];
  for (const key of keys) records.push([Number(key.slice('test/'.length)), await engine.get(key)]);
  return records;
}
