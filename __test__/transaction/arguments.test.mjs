// Wrong arguments of the methods that begin transactions.
import { inspect } from 'node:util';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { codeOf, managerOf } from '../helpers/transactions.mjs';

const WRONG = { code: 'INVALID_ARGUMENT', name: 'StorageTypeError' };

test('wrong options of beginTransaction are refused with what was expected', async (t) => {
  const storage = await managerOf(t, 'memory');
  for (const [options, message] of [
    [{ timeout: -1 }, 'Expected option timeout of beginTransaction to be a number of milliseconds, 0 or more, got -1'],
    [{ readOnly: 1 }, 'Expected option readOnly of beginTransaction to be a boolean, got a number'],
    [{ engine: '' }, 'Expected option engine of beginTransaction to be a non-empty string, got an empty string'],
    [{ readonly: true }, 'Unknown option readonly of beginTransaction; did you mean readOnly?'],
    ['memory', 'Expected the options of beginTransaction to be an object, got a string'],
  ]) {
    t.like(await t.throwsAsync(storage.beginTransaction(options)), { ...WRONG, message });
  }
  t.deepEqual(storage.transactions.list(), []);
});

test('wrong arguments of transaction are refused with what was expected', async (t) => {
  const storage = await managerOf(t, 'memory');
  for (const [args, message] of [
    [[], 'Expected transaction to be given a function, got undefined'],
    [[{}], 'Expected transaction to be given a function, got an object'],
    [[() => {}, { retries: 1.5 }], 'Expected option retries of transaction to be an integer, 0 to 1000, got 1.5'],
    [[() => {}, { signal: {} }], 'Expected option signal of transaction to be an AbortSignal, got an object'],
  ]) {
    t.like(await t.throwsAsync(storage.transaction(...args)), { ...WRONG, message });
  }
  t.deepEqual(storage.transactions.list(), []);
});

test('an engine that is not there is told by name', async (t) => {
  const storage = await managerOf(t, 'memory');
  t.is(await codeOf(storage.beginTransaction({ engine: 'nowhere' })), 'ENGINE_NOT_FOUND');
  const tx = await storage.beginTransaction();
  t.throws(() => tx.engine('nowhere'), { code: 'ENGINE_NOT_FOUND', message: /^Storage engine not found: nowhere; / });
  t.throws(() => tx.engine(5), { code: 'INVALID_ARGUMENT' });
  t.deepEqual(storage.transactions.list(), [tx]);
});

test('a manager refuses wrong options of its transactions', (t) => {
  for (const wrong of [{ timeout: '5' }, { timeout: -1 }, { path: '' }, { path: 5 }, { idle: 5 }, 5]) {
    t.throws(() => new StorageManager({ transactions: wrong }), { code: 'INVALID_ARGUMENT' }, inspect(wrong));
  }
});
