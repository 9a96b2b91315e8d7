/**
 * One transaction of a scenario. Its actor makes the calls, in this process or another, and they are recorded. It is
 * over once it was refused with CONFLICT: further calls of the scenario are left out.
 */
const FOLDER = 'test/';
const keyOf = (id) => `${FOLDER}${id}`;
const idOf = (key) => Number(key.slice(FOLDER.length));
const records = (entries) => entries.map(([key, value]) => [idOf(key), value]);

export const INITIAL = [
  [1, 10],
  [2, 20],
];

export class Subject {
  outcome = 'not begun';
  steps = [];
  #actor;

  constructor(name, actor) {
    this.name = name;
    this.#actor = actor;
  }

  get over() {
    return this.outcome !== 'pending';
  }

  async begin() {
    await this.#actor.call('begin');
    this.outcome = 'pending';
  }

  async get(id) {
    return this.#step({ read: 'get', id }, 'get', keyOf(id));
  }

  /** All records, as [id, value]. */
  async all() {
    return records((await this.#step({ read: 'range', after: 0 }, 'entries', { prefix: FOLDER })) ?? []);
  }

  /** The records behind `id`, by the bounds of the range alone. */
  async after(id) {
    return records(
      (await this.#step({ read: 'range', after: id }, 'entries', { prefix: FOLDER, gt: keyOf(id) })) ?? [],
    );
  }

  async where(predicate) {
    return (await this.all()).filter(([, value]) => predicate(value));
  }

  async set(id, value) {
    await this.#step({ write: id, value }, 'set', keyOf(id), value);
  }

  async delete(id) {
    await this.#step({ write: id, value: null }, 'delete', keyOf(id));
  }

  async commit() {
    await this.#end('commit', 'committed');
  }

  async rollback() {
    await this.#end('rollback', 'rolled back');
  }

  async #step(step, method, ...args) {
    if (this.over) return undefined;
    const result = await this.#try(method, ...args);
    if (this.over) return undefined;
    this.steps.push(
      step.read === undefined ? step : { ...step, result: step.read === 'range' ? records(result) : result },
    );
    return result;
  }

  async #end(method, outcome) {
    if (this.over) return;
    await this.#try(method);
    if (!this.over) this.outcome = outcome;
  }

  async #try(method, ...args) {
    try {
      return await this.#actor.call(method, ...args);
    } catch (error) {
      if (error.code !== 'CONFLICT') throw error;
      this.outcome = `CONFLICT at ${method === 'commit' ? 'commit' : 'its read'}`;
      if (method !== 'commit') await this.#actor.call('rollback');
      return undefined;
    }
  }
}
