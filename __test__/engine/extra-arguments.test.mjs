// Every public method refuses an argument that it does not take: it is often an option in the wrong place.
import test from 'ava';
import { KeyValueStore, StorageManager } from '../helpers/entry.mjs';
import { ENGINES, ENGINE_NAMES } from '../helpers/engines.mjs';
import { managerOf } from '../helpers/transactions.mjs';

/** Each method with all the arguments that it takes, and what it returns. */
const READS = {
  get: ['k', {}],
  has: ['k', {}],
  keys: ['k*', {}],
  count: ['k*', {}],
  getEntry: ['k', {}],
  entries: ['k*', {}],
  values: ['k*', {}],
  keysIterator: ['k*', {}],
};
const WRITES = {
  set: ['k', 2, {}],
  delete: ['k', {}],
  clear: ['k*', {}],
  compareAndSet: ['k', null, 2, {}],
  increment: ['n', 1, {}],
};
const MANY = { getMany: [['k'], {}], setMany: [[['k', 2]], {}], deleteMany: [['k'], {}] };
const DATA = { ...READS, ...WRITES, ...MANY, batch: [[{ type: 'delete', key: 'k' }], {}] };
const SYNC = { getSync: ['k'], hasSync: ['k'], setSync: ['k', 2, {}], deleteSync: ['k'] };
const LIFE = { connect: [], disconnect: [] };
const ENGINE = { ...DATA, ...SYNC, ...LIFE, snapshot: [], watch: ['k*', {}], stats: [], verify: [{}], compact: [] };
const TRANSACTION = { ...DATA, engine: ['memory'], commit: [], rollback: [] };
const SNAPSHOT = { ...READS, getMany: MANY.getMany, close: [] };
const STORE = { ...READS, ...WRITES, mget: MANY.getMany, mset: MANY.setMany, watch: ENGINE.watch };
const LISTENER = ['error', () => {}];
const MANAGER = {
  getEngine: ['memory'],
  registerEngine: ['mine', {}, {}],
  connect: [],
  keyValue: ['p', {}],
  consume: ['c', '*', () => {}, {}],
  beginTransaction: [{}],
  transaction: [() => {}, {}],
  copy: [{ from: 'memory', to: 'memory' }],
  export: [{ format: 'jsonl', target: 'unused.jsonl' }],
  import: [{ format: 'jsonl', source: Buffer.from(''), to: 'memory' }],
  stats: [{}],
  verify: [{}],
  on: LISTENER,
  once: LISTENER,
  off: LISTENER,
  close: [],
};
const CONSUMER = { pause: [], resume: [], stop: [], forget: [], stats: [] };
const TRANSACTIONS = { begin: [{}], commit: ['tx_1'], rollback: ['tx_1'], list: [] };

/** The names of the methods that users can call. */
function methodsOf(object) {
  const names = new Set();
  for (let at = object; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at)))
      if (typeof value === 'function' && !['constructor', 'ensureConnected', 'closedError'].includes(name))
        names.add(name);
  }
  return [...names].filter((name) => !/^do[A-Z]/.test(name)).sort();
}

/** The error of a call, however the method tells of it. */
async function errorOf(call) {
  try {
    const returned = call();
    await (typeof returned?.next === 'function' ? returned.next() : returned);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function refusesMore(t, object, table, what) {
  t.deepEqual(methodsOf(object), Object.keys(table).sort(), `the methods of ${what} are all here`);
  for (const [name, given] of Object.entries(table)) {
    for (const extra of [5, {}, { signal: new AbortController().signal }, null]) {
      const error = await errorOf(() => object[name](...given, extra));
      t.like(error, { code: 'INVALID_ARGUMENT', name: 'StorageTypeError', operation: name }, `${what}.${name}`);
      t.regex(error.message, new RegExp(`^${name}\\(.*\\) takes no .*arguments, got ${given.length + 1}; leave out`));
    }
  }
}

for (const name of ENGINE_NAMES) {
  test(`${name}: no method of engines, snapshots, transactions and stores takes an argument too many`, async (t) => {
    const { config, make } = ENGINES[name];
    const engine = make(await config(t));
    t.teardown(() => engine.disconnect());
    await engine.set('k', 1);
    await refusesMore(t, engine, ENGINE, 'engine');
    await refusesMore(t, new KeyValueStore(engine, 'p'), STORE, 'store');
    if (engine.capabilities.snapshots) {
      const snapshot = await engine.snapshot();
      await refusesMore(t, snapshot, SNAPSHOT, 'snapshot');
      t.is(await snapshot.get('k'), 1, 'it is still open');
      await snapshot.close();
    }
    const storage = new StorageManager({ defaultEngine: 'tested' }).registerEngine('tested', engine);
    t.teardown(() => storage.close());
    const tx = await storage.beginTransaction();
    await refusesMore(t, tx, TRANSACTION, 'transaction');
    await refusesMore(t, tx.engine('memory'), DATA, 'branch');
    t.is(tx.status, 'pending');
    await tx.commit();
    t.deepEqual(await engine.keys(), ['k']);
    t.is(await engine.get('k'), 1, 'and nothing was written');
  });
}

test('no method of a manager takes an argument too many', async (t) => {
  const storage = await managerOf(t, 'memory');
  await refusesMore(t, storage, MANAGER, 'manager');
  await refusesMore(t, storage.transactions, TRANSACTIONS, 'transactions');
  const consumer = storage.consume('c', '*', () => {});
  await refusesMore(t, consumer, CONSUMER, 'consumer');
  await consumer.ready;
  t.throws(() => storage.getEngine('mine'), { code: 'ENGINE_NOT_FOUND' });
  t.deepEqual(storage.transactions.list(), []);
});

test('undefined behind the last argument counts as absent', async (t) => {
  const engine = (await managerOf(t, 'memory')).getEngine();
  await engine.set('k', 1, undefined, undefined);
  t.is(await engine.get('k', undefined, undefined), 1);
  t.is(engine.set.length, 3);
  t.is(engine.set.name, 'set');
});
