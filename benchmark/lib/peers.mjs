/**
 * Peers that appear in more than one family.
 */
import { countEntries } from './cases.mjs';

/** A database of the Level family (memory-level, classic-level), JSON values. */
export function level(name, { make, sync = false, targets, cases }) {
  return {
    name,
    targets,
    cases,
    async open(place) {
      const db = make(place);
      await db.open();
      const options = { sync };
      return {
        get: (key) => db.get(key),
        set: (key, value) => db.put(key, value, options),
        setMany: (entries) =>
          db.batch(
            entries.map(([key, value]) => ({ type: 'put', key, value })),
            options,
          ),
        iterate: () => countEntries(db.iterator()),
        close: () => db.close(),
      };
    },
  };
}

/** A Keyv; iterated only where its store can do so without an OFFSET that grows. */
export function keyv(name, { make, targets, iterable = false }) {
  return {
    name,
    targets,
    async open(place) {
      const store = await make(place);
      return {
        get: (key) => store.get(key),
        set: (key, value) => store.set(key, value),
        ...(iterable && {
          setMany: (entries) => store.setMany(entries.map(([key, value]) => ({ key, value }))),
          iterate: () => countEntries(store.iterator()),
        }),
        close: () => store.disconnect(),
      };
    },
  };
}

const PAGE = 500;

/** An unstorage storage. It lists keys only, so entries are read as its users do: page by page with getItems. */
export function unstorage(name, { make, targets }) {
  return {
    name,
    targets,
    async open(place) {
      const storage = make(place);
      return {
        get: (key) => storage.getItem(key),
        set: (key, value) => storage.setItem(key, value),
        setMany: (entries) => storage.setItems(entries.map(([key, value]) => ({ key, value }))),
        iterate: async () => {
          const keys = await storage.getKeys();
          let seen = 0;
          for (let at = 0; at < keys.length; at += PAGE) {
            const page = await storage.getItems(keys.slice(at, at + PAGE));
            seen += await countEntries(page.map(({ key, value }) => [key, value]));
          }
          return seen;
        },
        close: () => storage.dispose(),
      };
    },
  };
}
