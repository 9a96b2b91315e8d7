// Wrong arguments and options of the calls of an engine.
import { collect, onEach } from '../helpers/engines.mjs';

const TYPE_ERROR = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

onEach('arguments of a wrong type reject with a TypeError that says what was expected', async (t, engine) => {
  for (const [call, message] of [
    [() => engine.get(), /Expected the key to be a string, got undefined/],
    [() => engine.get({}), /Expected the key to be a string, got an object/],
    [() => engine.set(null, 1), /the key to be a string, got null/],
    [() => engine.has(1n), /got a bigint/],
    [() => engine.delete(Symbol('k')), /got a symbol/],
    [() => engine.keys(5), /keys to be a glob or a range, got a number/],
    [() => engine.keys({ form: 'a' }), /Unknown option form of keys/],
    [() => engine.keys({ limit: -1 }), /option limit of keys to be an integer/],
    [() => engine.count({ reverse: 'yes' }), /option reverse of count to be a boolean/],
    [() => engine.getMany('abc'), /getMany to be given an iterable of keys, got a string/],
    [() => engine.getMany(), /got undefined/],
    [() => engine.setMany({ a: 1 }), /setMany to be given an iterable of \[key, value\] pairs/],
    [() => engine.setMany(['ab']), /a \[key, value\] pair, got a string/],
    [
      () => engine.batch([{ type: 'put', key: 'a' }]),
      /option type of batch to be 'set', 'delete', 'deleteRange' or 'check'/,
    ],
    [() => engine.batch([null]), /operation of batch to be an object, got null/],
    [() => engine.batch([{ type: 'check', key: 'a' }]), /version given to batch to be a string or null/],
    [() => engine.compareAndSet('a', 5, 1), /string or null, got a number/],
    [() => engine.set('a', 1, 5), /options of set to be an object, got a number/],
    [() => engine.set('a', 1, { signal: {} }), /option signal of set to be an AbortSignal/],
    [() => engine.verify({ onProgress: 1 }), /option onProgress of verify to be a function/],
    [() => collect(engine.entries(5)), /a glob or a range/],
  ]) {
    const error = await t.throwsAsync(call(), { ...TYPE_ERROR, message }, String(call));
    t.true(error instanceof TypeError);
    t.is(error.engine, engine.name);
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('an unknown option of a call names the nearest one, and nothing is written', async (t, engine, { name }) => {
  const native = name !== 'custom';
  for (const [call, message] of [
    [() => engine.set('a', 1, { tll: 5 }), /^Unknown option tll of set; did you mean ttl\?$/],
    [() => engine.set('a', 1, { expireAt: 5 }), /did you mean expiresAt\?/],
    [() => engine.set('a', 1, { ifabsent: true }), /did you mean ifAbsent\?/],
    [() => engine.setMany([['a', 1]], { ifVersion: 'x' }), /Unknown option ifVersion of setMany/],
    [() => engine.batch([{ type: 'set', key: 'a', value: 1, tll: 5 }]), /did you mean ttl\?/],
    [() => engine.compareAndSet('a', null, 1, { metdata: 1 }), /did you mean metadata\?/],
    [() => engine.increment('a', 1, { metdata: 1 }), /did you mean metadata\?/],
    [() => engine.keys({ perfix: 'a' }), /did you mean prefix\?/],
    [() => engine.count({ limits: 1 }), /did you mean limit\?/],
    [() => engine.entries({ revers: true }).next(), /did you mean reverse\?/],
    [() => engine.verify({ repiar: true }), /did you mean repair\?/],
  ]) {
    await t.throwsAsync(call(), { ...TYPE_ERROR, message }, String(call));
  }
  if (native) t.deepEqual(await engine.keys(), []);
});

onEach('an option of a call of a wrong type is refused', async (t, engine) => {
  for (const ttl of ['5', 0, -1, NaN, Infinity, null, 1n])
    await t.throwsAsync(engine.set('a', 1, { ttl }), TYPE_ERROR, String(ttl));
  for (const expiresAt of ['5', NaN, Infinity, null, new Date()])
    await t.throwsAsync(engine.set('a', 1, { expiresAt }), TYPE_ERROR);
  for (const ifVersion of [5, '', null, 'a\0']) await t.throwsAsync(engine.set('a', 1, { ifVersion }), TYPE_ERROR);
  for (const ifAbsent of ['yes', 1, null]) await t.throwsAsync(engine.set('a', 1, { ifAbsent }), TYPE_ERROR);
  await t.throwsAsync(engine.set('a', 1, { ttl: 5, expiresAt: 5 }), TYPE_ERROR);
  await t.throwsAsync(engine.set('a', 1, { ifVersion: 'x', ifAbsent: true }), TYPE_ERROR);
  for (const by of ['1', null, 1n, {}]) await t.throwsAsync(engine.increment('a', by), TYPE_ERROR);
  for (const limit of ['1', -1, 1.5, NaN, null]) await t.throwsAsync(engine.keys({ limit }), TYPE_ERROR);
  t.deepEqual(await engine.keys(), []);
});

onEach('a range with a lone surrogate is refused', async (t, engine) => {
  for (const query of ['\ud800*', { prefix: '\udc00' }, { gt: 'a\ud800' }])
    await t.throwsAsync(engine.keys(query), { code: 'INVALID_KEY' });
});

onEach('an iterable that throws rejects with its own error', async (t, engine) => {
  const broken = {
    *[Symbol.iterator]() {
      yield ['a', 1];
      throw new Error('mine');
    },
  };
  await t.throwsAsync(engine.setMany(broken), { message: 'mine' });
  t.false(await engine.has('a'));
});

/** Values that may stand for an argument by mistake. */
const JUNK = [
  undefined,
  null,
  5,
  NaN,
  1n,
  true,
  '',
  'a',
  Symbol('s'),
  {},
  [],
  [undefined],
  [[]],
  [['a']],
  () => {},
  new Date(NaN),
  revoked(),
  {
    get ttl() {
      throw new Error('a getter');
    },
    get prefix() {
      throw new Error('a getter');
    },
    [Symbol.iterator]() {
      throw new Error('an iterator');
    },
  },
];

onEach('no argument makes a method throw: it rejects', async (t, engine) => {
  const methods = [
    'get',
    'set',
    'delete',
    'has',
    'keys',
    'count',
    'getMany',
    'setMany',
    'deleteMany',
    'batch',
    'compareAndSet',
    'increment',
    'getEntry',
    'verify',
  ];
  const lists = JUNK.flatMap((junk) => [[junk], ['k', junk], ['k', null, junk], ['k', null, 1, junk]]);
  for (const method of methods) {
    for (const list of lists) {
      let promise;
      t.notThrows(() => (promise = engine[method](...list)), `${method} threw`);
      t.true(promise instanceof Promise, method);
      await promise.catch((error) => t.true(error instanceof Error, method));
    }
  }
  for (const method of ['entries', 'values', 'keysIterator']) {
    for (const junk of JUNK) {
      let iterator;
      t.notThrows(() => (iterator = engine[method](junk)), method);
      await iterator.next().catch((error) => t.true(error instanceof Error));
      await iterator.return();
    }
  }
  await engine.clear();
  await engine.set('a', 1);
  t.is(await engine.get('a'), 1, 'and the engine goes on');
});

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
