import { StorageError } from './entry.mjs';

/** A custom engine of the eight methods, over a Map, with a record of the calls it got. */
export class BareEngine {
  records = new Map();
  calls = [];
  async connect() {
    this.calls.push('connect');
  }
  async disconnect() {
    this.calls.push('disconnect');
  }
  async get(key) {
    return this.records.get(key);
  }
  async set(key, value) {
    this.records.set(key, value);
  }
  async delete(key) {
    return this.records.delete(key);
  }
  async has(key) {
    return this.records.has(key);
  }
  async keys() {
    return [...this.records.keys()];
  }
  async clear() {
    this.records.clear();
  }
}

/** A custom engine that declares every capability. */
export class FullEngine {
  name = 'custom';
  capabilities = { ttl: true, metadata: true, versions: true, atomicBatch: true, atomicClear: true, timestamps: true };
  records = new Map();
  commits = 0;
  async connect() {}
  async disconnect() {}
  async get(key) {
    return this.#find(key)?.value ?? null;
  }
  async set(key, value, { expiresAt = null, metadata = null } = {}) {
    const now = Date.now();
    const createdAt = this.#find(key)?.createdAt ?? now;
    this.records.set(key, { value, version: String(++this.commits), createdAt, updatedAt: now, expiresAt, metadata });
  }
  async delete(key) {
    const existed = this.#find(key) !== undefined;
    this.records.delete(key);
    return existed;
  }
  async has(key) {
    return this.#find(key) !== undefined;
  }
  async keys() {
    return [...this.records.keys()].filter((key) => this.#find(key) !== undefined);
  }
  async clear() {
    this.records.clear();
  }
  async getEntry(key) {
    return this.#find(key) ?? null;
  }
  async compareAndSet(key, expected, value, options) {
    const found = this.#find(key)?.version ?? null;
    if (found !== expected) return { ok: false, version: found };
    await this.set(key, value, options);
    return { ok: true, version: this.records.get(key).version };
  }
  async batch(operations) {
    for (const { type, key, version } of operations) {
      if (type === 'check' && (this.#find(key)?.version ?? null) !== version) {
        throw new StorageError('CONFLICT', 'The key was changed', { key });
      }
    }
    for (const { type, key, value, ...options } of operations) {
      if (type === 'set') await this.set(key, value, options);
      else if (type === 'delete') await this.delete(key);
    }
  }
  #find(key) {
    const record = this.records.get(key);
    return record === undefined || (record.expiresAt !== null && record.expiresAt <= Date.now()) ? undefined : record;
  }
}
