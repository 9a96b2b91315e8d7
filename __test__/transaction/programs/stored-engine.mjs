// A manager with a custom engine that keeps its records in one file. The programs about a killed process share it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { StorageManager, decode, encode } from '../../helpers/entry.mjs';
import { args, say } from '../../helpers/child.mjs';

const load = () => new Map(existsSync(args.file) ? decode(readFileSync(args.file, 'utf8')) : []);
const save = (records) => writeFileSync(args.file, encode([...records]));

/** The engine. Its write of the key `args.hangs` never ends. */
const target = {
  connect: async () => {},
  disconnect: async () => {},
  get: async (key) => load().get(key),
  has: async (key) => load().has(key),
  async set(key, value) {
    const records = load();
    if (key === args.hangs) {
      say('hangs');
      return new Promise(() => setInterval(() => {}, 1000));
    }
    save(records.set(key, value));
  },
  async delete(key) {
    const records = load();
    const existed = records.delete(key);
    save(records);
    return existed;
  },
  keys: async () => [...load().keys()],
  clear: async () => save(new Map()),
};

export const storage = new StorageManager({
  defaultEngine: 'mine',
  engines: { mine: target },
  transactions: { path: args.path },
  sqlite: { path: args.sqlite },
});
