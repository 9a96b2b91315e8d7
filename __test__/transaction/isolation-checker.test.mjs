import test from 'ava';
import { check } from '../../reliability/isolation/checker/index.mjs';

/** A history in which all transactions overlap, unless `times` says when one began and ended. */
function history(transactions, times = {}) {
  return Object.entries(transactions).map(([id, operations]) => {
    const last = operations.at(-1);
    const status = typeof last === 'string' ? last : 'ok';
    const [start, end] = times[id] ?? [0, 100];
    return {
      id,
      process: id,
      status,
      start,
      end,
      ops: operations.filter((operation) => typeof operation !== 'string'),
    };
  });
}

const names = (transactions, { times, ...options } = {}) =>
  [...new Set(check(history(transactions, times), options).anomalies.map(({ name }) => name))].sort();

const append = (key, element) => ['append', key, element];
const read = (key, elements) => ['read', key, elements];
const members = (...keys) => ['members', 's/', 's0', keys];

/** Each anomaly by the smallest history that shows it; the first name is the one it is for. */
const ANOMALIES = {
  'G0: two transactions overwrote each other in different orders': [
    ['G0'],
    {
      T1: [append('x', 1), append('y', 1)],
      T2: [append('x', 2), append('y', 2)],
      T3: [read('x', [1, 2])],
      T4: [read('y', [2, 1])],
    },
  ],
  'G0: a group that two transactions wrote in different orders': [
    ['G0 or G-single'],
    { T1: [['fill', 'g']], T2: [['fill', 'g']], T3: [['group', 'g', ['T1', 'T2']]] },
  ],
  'G1a: what was rolled back was read': [['G1a'], { T1: [append('x', 1), 'fail'], T2: [read('x', [1])] }],
  'G1a: a counter shows an increment that was rolled back': [
    ['G1a'],
    { T1: [['increment', 'n', 1], 'fail'], T2: [['number', 'n', 1]] },
  ],
  'G1a: a member that was rolled back was seen': [['G1a'], { T1: [['insert', 's/a'], 'fail'], T2: [members('s/a')] }],
  'G1a: a transaction that failed had seen one that failed': [
    ['G1a'],
    { T1: [append('x', 1), 'fail'], T2: [read('x', [1]), 'fail'] },
  ],
  'G1b: an intermediate version was read': [
    ['G1b', 'G-single'],
    { T1: [append('x', 1), append('x', 2)], T2: [read('x', [1])], T3: [read('x', [1, 2])] },
  ],
  'G1c: two transactions saw each other': [
    ['G1c'],
    { T1: [append('x', 1), read('y', [1])], T2: [append('y', 1), read('x', [1])] },
  ],
  'G1c: through a write that replaced another': [
    ['G1c'],
    { T1: [append('x', 1), read('y', [1])], T2: [append('x', 2), append('y', 1)], T3: [read('x', [1, 2])] },
  ],
  'G-single: one of two keys was read before, the other after': [
    ['G-single'],
    { T1: [append('x', 1), append('y', 1)], T2: [read('x', []), read('y', [1])] },
  ],
  'G-single: in a transaction that failed': [
    ['G-single'],
    { T1: [append('x', 1), append('y', 1)], T2: [read('x', []), read('y', [1]), 'fail'] },
  ],
  'G-single: a range was read before, a key after': [
    ['G-single'],
    { T1: [['insert', 's/a'], append('y', 1)], T2: [members(), read('y', [1])] },
  ],
  'lost update: both appended to what both had read': [
    ['lost update', 'G-single'],
    { T1: [read('x', []), append('x', 1)], T2: [read('x', []), append('x', 2)], T3: [read('x', [1, 2])] },
  ],
  'lost update: a counter became the same number twice': [
    ['lost update'],
    { T1: [['increment', 'n', 1]], T2: [['increment', 'n', 1]] },
  ],
  'lost update: a member was removed twice': [
    ['lost update'],
    { T0: [['insert', 's/a']], T1: [members('s/a'), ['remove', 's/a']], T2: [members('s/a'), ['remove', 's/a']] },
  ],
  'dirty update: on top of what was rolled back': [
    ['dirty update', 'G1a'],
    { T1: [append('x', 1), 'fail'], T2: [read('x', [1]), append('x', 2)], T3: [read('x', [1, 2])] },
  ],
  'G2-item: write skew over two keys': [
    ['G2-item'],
    { T1: [read('x', []), append('y', 1)], T2: [read('y', []), append('x', 1)], T3: [read('x', [1]), read('y', [1])] },
  ],
  'G2-item: write skew over what a range returned': [
    ['G2-item'],
    {
      T0: [
        ['insert', 's/a'],
        ['insert', 's/b'],
      ],
      T1: [members('s/a', 's/b'), ['remove', 's/a']],
      T2: [members('s/a', 's/b'), ['remove', 's/b']],
    },
  ],
  'G2-item: by a counter': [
    ['G2-item'],
    { T1: [['number', 'n', 0], append('x', 1)], T2: [read('x', []), ['increment', 'n', 1]], T3: [read('x', [1])] },
  ],
  'G2-item: three transactions in a circle': [
    ['G2-item'],
    {
      T1: [read('x', []), append('y', 1)],
      T2: [read('y', []), append('z', 1)],
      T3: [read('z', []), append('x', 1)],
      T4: [read('x', [1]), read('y', [1]), read('z', [1])],
    },
  ],
  'G2: write skew by keys a range did not return': [
    ['G2'],
    { T1: [members(), ['insert', 's/a']], T2: [members(), ['insert', 's/b']] },
  ],
  'G2: by lists a range did not return': [
    ['G2'],
    {
      T1: [['lists', 'l/', 'l0', []], append('l/1', 1)],
      T2: [['lists', 'l/', 'l0', []], append('l/2', 2)],
      T3: [read('l/1', [1]), read('l/2', [2])],
    },
  ],
  'internal: a read without the own append': [['internal'], { T1: [append('x', 1), read('x', [])] }],
  'internal: two reads differ': [['internal'], { T1: [append('x', 1)], T2: [read('x', []), read('x', [1])] }],
  'internal: a range without the own member': [['internal'], { T1: [['insert', 's/a'], members()] }],
  'internal: a range in which a member appeared': [
    ['internal'],
    { T1: [['insert', 's/a']], T2: [members(), members('s/a')] },
  ],
  'internal: a transaction that failed read two things': [
    ['internal'],
    { T1: [append('x', 1)], T2: [read('x', []), read('x', [1]), 'fail'] },
  ],
  'duplicate: an append that happened twice': [['duplicate'], { T1: [append('x', 1)], T2: [read('x', [1, 1])] }],
  'unknown element: a value from nowhere': [['unknown element'], { T1: [read('x', [7])] }],
  'incompatible order: two reads that cannot both be': [
    ['incompatible order'],
    { T1: [append('x', 1)], T2: [append('x', 2)], T3: [read('x', [1, 2])], T4: [read('x', [2, 1])] },
  ],
};

for (const [title, [expected, transactions]] of Object.entries(ANOMALIES)) {
  test(`finds ${title}`, (t) => {
    const found = names(transactions);
    for (const name of expected) t.true(found.includes(name), `${name} is not among ${found.join(', ') || 'nothing'}`);
  });
}

test('the kind of a cycle is exact where nothing weaker is there', (t) => {
  const exact = (title) => names(ANOMALIES[title][1]);
  t.deepEqual(exact('G0: two transactions overwrote each other in different orders'), ['G0']);
  t.deepEqual(exact('G1c: two transactions saw each other'), ['G1c']);
  t.deepEqual(exact('G-single: one of two keys was read before, the other after'), ['G-single']);
  t.deepEqual(exact('G2-item: write skew over two keys'), ['G2-item']);
  t.deepEqual(exact('G2-item: write skew over what a range returned'), ['G2-item']);
  t.deepEqual(exact('G2: write skew by keys a range did not return'), ['G2']);
});

const CLEAN = {
  'one after the other': {
    T1: [read('x', []), append('x', 1)],
    T2: [read('x', [1]), append('x', 2)],
    T3: [read('x', [1, 2])],
  },
  'its own writes over one snapshot': {
    T1: [append('x', 1)],
    T2: [read('x', []), append('x', 2), read('x', [2]), append('x', 3), read('x', [2, 3]), 'fail'],
  },
  'old and new of both keys': {
    T1: [append('x', 1), append('y', 1)],
    T2: [read('x', []), read('y', [])],
    T3: [read('x', [1]), read('y', [1])],
  },
  'one of two write skews failed': {
    T1: [read('x', []), append('y', 1)],
    T2: [read('y', []), append('x', 1), 'fail'],
    T3: [read('x', []), read('y', [1])],
  },
  'ranges before and after': {
    T1: [members(), ['insert', 's/a']],
    T2: [members('s/a'), ['insert', 's/b']],
    T3: [members('s/a', 's/b'), ['remove', 's/a'], members('s/b')],
  },
  'groups as wholes': {
    T1: [['fill', 'g']],
    T2: [
      ['fill', 'g'],
      ['group', 'g', ['T2', 'T2']],
    ],
    T3: [['group', 'g', ['T1', 'T1']]],
    T4: [['group', 'g', [null, null]]],
  },
  'a counter by steps': {
    T1: [
      ['increment', 'n', 1],
      ['increment', 'n', 2],
    ],
    T2: [
      ['number', 'n', 2],
      ['increment', 'n', 3],
    ],
    T3: [['number', 'n', 0]],
  },
  'an outcome nobody saw': {
    T1: [read('x', []), append('x', 1), 'unknown'],
    T2: [read('x', []), append('x', 2)],
    T3: [read('x', [2])],
  },
  'an outcome that was seen': {
    T1: [read('x', []), append('x', 1), 'unknown'],
    T2: [read('x', [1]), append('x', 2)],
    T3: [read('x', [1, 2])],
  },
};

for (const [title, transactions] of Object.entries(CLEAN)) {
  test(`finds nothing in ${title}`, (t) => {
    t.deepEqual(check(history(transactions), { realTime: true }).anomalies, []);
  });
}

test('an unknown outcome that was seen is checked as a commit', (t) => {
  const transactions = {
    T1: [read('x', []), append('y', 1), 'unknown'],
    T2: [read('y', []), append('x', 1)],
    T3: [read('x', [1]), read('y', [1])],
  };
  t.deepEqual(names(transactions), ['G2-item']);
});

test('real time: a read that missed a finished commit is an anomaly only where time counts', (t) => {
  const stale = { T1: [append('x', 1)], T2: [read('x', [])], T3: [read('x', [1])] };
  const times = { T1: [0, 10], T2: [20, 30], T3: [40, 50] };
  t.deepEqual(names(stale, { times }), []);
  t.deepEqual(names(stale, { times, realTime: true }), ['G-single, real time']);
  t.deepEqual(names(stale, { times: { ...times, T2: [5, 30] }, realTime: true }), []);
});

test('real time: an append that is gone is a lost update', (t) => {
  const gone = { T1: [append('x', 1)], T2: [append('x', 2)], T3: [read('x', [2])] };
  t.deepEqual(names(gone, { times: { T1: [0, 10], T2: [0, 10], T3: [20, 30] } }), []);
  t.true(names(gone, { times: { T1: [0, 10], T2: [0, 10], T3: [20, 30] }, realTime: true }).includes('lost update'));
});

test('real time: a removed member that is seen again is an anomaly', (t) => {
  const transactions = { T1: [['insert', 's/a']], T2: [members('s/a'), ['remove', 's/a']], T3: [members('s/a')] };
  const times = { T1: [0, 10], T2: [20, 30], T3: [40, 50] };
  t.deepEqual(names(transactions, { times }), []);
  t.deepEqual(names(transactions, { times, realTime: true }), ['G-single, real time']);
});

test('a history that appends an element twice is refused', (t) => {
  t.throws(() => check(history({ T1: [append('x', 1)], T2: [append('x', 1)] })), { message: /appends 1 to x twice/ });
});

test('a detail names the cycle edge by edge', (t) => {
  const [{ transactions, detail }] = check(
    history(ANOMALIES['G2: write skew by keys a range did not return'][1]),
  ).anomalies;
  t.deepEqual([...transactions].sort(), ['T1', 'T2']);
  t.is(detail, 'T1 -rw by range s/b-> T2, T2 -rw by range s/a-> T1');
});
