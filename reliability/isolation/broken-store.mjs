/**
 * A small versioned store with optimistic transactions that can be broken on purpose: the checks of this folder must
 * find each defect in it, and nothing where there is none.
 */
import { setImmediate as turn } from 'node:timers/promises';

/** Each defect, and the anomalies that it has to lead to. */
export const DEFECTS = {
  'no checks at commit': { checks: 'none', finds: ['lost update', 'G2'] },
  'only what was written is checked (snapshot isolation)': { checks: 'writes', finds: ['G2-item', 'G2'] },
  'ranges are not checked': { checks: 'keys', finds: ['G2'] },
  'reads are taken outside of the snapshot, unchecked': {
    reads: 'latest',
    checks: 'writes',
    finds: ['G-single', 'internal'],
  },
  'a commit is applied one operation at a time': { apply: 'one by one', finds: ['G-single', 'G0 or G-single'] },
  'writes are there before the commit': { writes: 'at once', reads: 'latest', checks: 'none', finds: ['G1a', 'G1b'] },
  'a retried commit is applied twice': { apply: 'twice', finds: ['lost update'] },
  'reads lag one commit behind': { reads: 'stale', checks: 'none', finds: ['lost update'] },
};

const conflict = () => Object.assign(new Error('The transaction read what has changed'), { code: 'CONFLICT' });
const prefixOf = (glob) => glob.replace(/\*$/, '');

/** The interval of a range or pattern as [from, to), limit and direction. */
function interval(query = {}) {
  const {
    prefix = '',
    gt,
    gte,
    lt,
    limit = Infinity,
    reverse = false,
  } = typeof query === 'string' ? { prefix: prefixOf(query) } : query;
  const from = gt === undefined ? (gte ?? prefix) : `${gt}\u0000`;
  return { from, to: lt ?? `${prefix}\uffff`, limit, reverse };
}

export class VersionedStore {
  commit = 0;
  records = new Map(); // key -> [{ commit, value }], value undefined where it was deleted
  defect;

  constructor(defect = {}) {
    this.defect = { reads: 'snapshot', writes: 'at commit', checks: 'all', apply: 'whole', ...defect };
  }

  at(key, commit) {
    return this.records.get(key)?.findLast((version) => version.commit <= commit);
  }

  put(key, value, commit = (this.commit += 1)) {
    const versions = this.records.get(key) ?? this.records.set(key, []).get(key);
    versions.push({ commit, value });
  }

  keysAt(commit, { from, to }) {
    return [...this.records.keys()]
      .filter((key) => key >= from && key < to && this.at(key, commit)?.value !== undefined)
      .sort();
  }

  changedSince(commit, key) {
    return (this.records.get(key)?.at(-1).commit ?? 0) > commit;
  }

  begin() {
    return new Transaction(this);
  }

  /** The calls of an engine: each is a transaction of its own. */
  async get(key) {
    return this.at(key, this.commit)?.value ?? null;
  }

  async getEntry(key) {
    const version = this.at(key, this.commit);
    return version?.value === undefined ? null : { value: version.value, version: String(version.commit) };
  }

  async set(key, value) {
    this.put(key, value);
  }

  async delete(key) {
    this.put(key, undefined);
  }

  async keys(query) {
    return this.keysAt(this.commit, interval(query));
  }

  async compareAndSet(key, expected, value) {
    if (((await this.getEntry(key))?.version ?? null) !== expected) return { ok: false };
    this.put(key, value);
    return { ok: true };
  }

  async increment(key) {
    const value = (this.at(key, this.commit)?.value ?? 0) + 1;
    this.put(key, value);
    return value;
  }
}

class Transaction {
  #store;
  #snapshot;
  #read = new Set();
  #ranges = [];
  #writes = new Map();
  #undo = [];

  constructor(store) {
    this.#store = store;
  }

  get #view() {
    const { defect, commit } = this.#store;
    if (defect.reads === 'latest') return commit;
    if (defect.reads === 'stale') return Math.max(0, commit - 1);
    return (this.#snapshot ??= commit);
  }

  #value(key) {
    this.#snapshot ??= this.#store.commit;
    this.#read.add(key);
    if (this.#writes.has(key)) return this.#writes.get(key);
    return this.#store.at(key, this.#view)?.value;
  }

  #write(key, value) {
    this.#snapshot ??= this.#store.commit;
    this.#writes.set(key, value);
    if (this.#store.defect.writes !== 'at once') return;
    this.#undo.unshift([key, this.#store.at(key, this.#store.commit)?.value]);
    this.#store.put(key, value);
  }

  async get(key) {
    return this.#value(key) ?? null;
  }

  async getMany(keys) {
    return keys.map((key) => this.#value(key) ?? null);
  }

  async getEntry(key) {
    const value = this.#value(key);
    return value === undefined ? null : { value, version: 'as read' };
  }

  async has(key) {
    return this.#value(key) !== undefined;
  }

  async set(key, value) {
    this.#write(key, value);
  }

  async setMany(entries) {
    for (const [key, value] of entries) this.#write(key, value);
  }

  async batch(operations) {
    for (const { type, key, value } of operations) this.#write(key, type === 'set' ? value : undefined);
  }

  async compareAndSet(key, _version, value) {
    this.#write(key, value);
    return { ok: true };
  }

  async delete(key) {
    const existed = this.#value(key) !== undefined;
    this.#write(key, undefined);
    return existed;
  }

  async increment(key) {
    const value = (this.#value(key) ?? 0) + 1;
    this.#write(key, value);
    return value;
  }

  async keys(query) {
    const { from, to, limit, reverse } = interval(query);
    this.#snapshot ??= this.#store.commit;
    this.#ranges.push({ from, to });
    const found = new Set(this.#store.keysAt(this.#view, { from, to }));
    for (const [key, value] of this.#writes) {
      if (key < from || key >= to) continue;
      if (value === undefined) found.delete(key);
      else found.add(key);
    }
    const sorted = [...found].sort();
    return (reverse ? sorted.reverse() : sorted).slice(0, limit);
  }

  async count(query) {
    return (await this.keys(query)).length;
  }

  async *entries(query) {
    for (const key of await this.keys(query)) yield [key, this.#value(key)];
  }

  async rollback() {
    for (const [key, value] of this.#undo) this.#store.put(key, value);
  }

  async commit() {
    const store = this.#store;
    const { checks, writes, apply } = store.defect;
    if (this.#writes.size === 0) return;
    const changed = (key) => store.changedSince(this.#snapshot, key);
    const inRange = ({ from, to }) => [...store.records.keys()].some((key) => key >= from && key < to && changed(key));
    if (checks === 'writes' && [...this.#writes.keys()].some(changed)) throw conflict();
    if ((checks === 'all' || checks === 'keys') && [...this.#read].some(changed)) throw conflict();
    if (checks === 'all' && this.#ranges.some(inRange)) throw conflict();
    if (writes === 'at once') return;
    if (apply === 'one by one') {
      for (const [key, value] of this.#writes) {
        store.put(key, value);
        await turn();
      }
      return;
    }
    const commit = (store.commit += 1);
    for (const [key, value] of this.#writes) store.put(key, value, commit);
    if (apply !== 'twice') return;
    await turn();
    const again = (store.commit += 1);
    for (const [key, value] of this.#writes) store.put(key, value, again);
  }
}

/** A session of the histories over such a store. */
export function sessionOf(store) {
  const clear = async (tx, folder) => {
    for (const key of await tx.keys(`${folder}*`)) await tx.delete(key);
  };
  return { engine: store, begin: async () => store.begin(), clear };
}
