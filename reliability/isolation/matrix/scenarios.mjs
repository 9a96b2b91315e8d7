/**
 * The scenarios of Martin Kleppmann's Hermitage (github.com/ept/hermitage), call by call. There are two records: 1 with
 * the value 10 and 2 with the value 20. `where` reads all records and gives those whose value fits: its predicate
 * covers the range.
 */
export const SCENARIOS = [
  {
    id: 'G0',
    title: 'write cycle',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.set(1, 11);
      await t2.set(1, 12);
      await t1.set(2, 21);
      await t1.commit();
      await t2.set(2, 22);
      await t2.commit();
    },
  },
  {
    id: 'G0',
    title: 'crossed',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.set(1, 11);
      await t2.set(1, 12);
      await t2.set(2, 22);
      await t2.commit();
      await t1.set(2, 21);
      await t1.commit();
    },
  },
  {
    id: 'G1a',
    title: 'aborted read',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.set(1, 101);
      await t2.all();
      await t1.rollback();
      await t2.all();
      await t2.commit();
    },
  },
  {
    id: 'G1b',
    title: 'intermediate read',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.set(1, 101);
      await t2.all();
      await t1.set(1, 11);
      await t1.commit();
      await t2.all();
      await t2.commit();
    },
  },
  {
    id: 'G1c',
    title: 'circular information flow',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.set(1, 11);
      await t2.set(2, 22);
      await t1.get(2);
      await t2.get(1);
      await t1.commit();
      await t2.commit();
    },
  },
  {
    id: 'OTV',
    title: 'observed transaction vanishes',
    async run({ t1, t2, t3 }) {
      await t1.begin();
      await t2.begin();
      await t3.begin();
      await t1.set(1, 11);
      await t1.set(2, 19);
      await t2.set(1, 12);
      await t1.commit();
      await t3.get(1);
      await t2.set(2, 18);
      await t3.get(2);
      await t2.commit();
      await t3.get(2);
      await t3.get(1);
      await t3.commit();
    },
  },
  {
    id: 'PMP',
    title: 'predicate-many-preceders',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.where((value) => value === 30);
      await t2.set(3, 30);
      await t2.commit();
      await t1.where((value) => value % 3 === 0);
      await t1.commit();
    },
  },
  {
    id: 'PMP',
    title: 'with a write predicate',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      for (const [id, value] of await t1.all()) await t1.set(id, value + 10);
      for (const [id] of await t2.where((value) => value === 20)) await t2.delete(id);
      await t1.commit();
      await t2.where((value) => value === 20);
      await t2.commit();
    },
  },
  {
    id: 'P4',
    title: 'lost update',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.get(1);
      await t2.get(1);
      await t1.set(1, 11);
      await t2.set(1, 12);
      await t1.commit();
      await t2.commit();
    },
  },
  {
    id: 'G-single',
    title: 'read skew',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.get(1);
      await t2.get(1);
      await t2.get(2);
      await t2.set(1, 12);
      await t2.set(2, 18);
      await t2.commit();
      await t1.get(2);
      await t1.commit();
    },
  },
  {
    id: 'G-single',
    title: 'by predicates',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.where((value) => value % 5 === 0);
      for (const [id] of await t2.where((value) => value === 10)) await t2.set(id, 12);
      await t2.commit();
      await t1.where((value) => value % 3 === 0);
      await t1.commit();
    },
  },
  {
    id: 'G-single',
    title: 'with a write predicate',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.get(1);
      await t2.all();
      await t2.set(1, 12);
      await t2.set(2, 18);
      await t2.commit();
      for (const [id] of await t1.where((value) => value === 20)) await t1.delete(id);
      await t1.commit();
    },
  },
  {
    id: 'G2-item',
    title: 'write skew',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      for (const t of [t1, t2]) {
        await t.get(1);
        await t.get(2);
      }
      await t1.set(1, 11);
      await t2.set(2, 21);
      await t1.commit();
      await t2.commit();
    },
  },
  {
    id: 'G2',
    title: 'anti-dependency cycle by predicates',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.where((value) => value % 3 === 0);
      await t2.where((value) => value % 3 === 0);
      await t1.set(3, 30);
      await t2.set(4, 42);
      await t1.commit();
      await t2.commit();
    },
  },
  {
    id: 'G2',
    title: 'over an empty range',
    async run({ t1, t2 }) {
      await t1.begin();
      await t2.begin();
      await t1.after(2);
      await t2.after(2);
      await t1.set(3, 30);
      await t2.set(4, 42);
      await t1.commit();
      await t2.commit();
    },
  },
  {
    id: 'G2',
    title: 'two edges and a reader (Fekete et al.)',
    async run({ t1, t2, t3 }) {
      await t1.begin();
      await t1.all();
      await t2.begin();
      await t2.set(2, ((await t2.get(2)) ?? 0) + 5);
      await t2.commit();
      await t3.begin();
      await t3.all();
      await t3.commit();
      await t1.set(1, 0);
      await t1.commit();
    },
  },
];
