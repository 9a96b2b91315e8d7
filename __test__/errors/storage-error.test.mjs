import { inspect } from 'node:util';
import test from 'ava';
import { copyApart } from '../helpers/copies.mjs';
import { isStorageError, StorageError, StorageTypeError } from '../helpers/entry.mjs';

test('an error carries its code, its context and its cause', (t) => {
  const cause = new Error('underneath');
  const error = new StorageError('IO', 'The disk is on fire', { engine: 'file', key: 'a', operation: 'set', cause });
  t.true(error instanceof Error);
  t.like(error, {
    name: 'StorageError',
    code: 'IO',
    engine: 'file',
    key: 'a',
    operation: 'set',
    cause,
    retryable: false,
  });
  t.regex(error.stack, /^StorageError: The disk is on fire\n/);
});

test('what is not known is not shown', (t) => {
  const error = new StorageError('CLOSED', 'The engine is closed');
  t.is(error.engine, undefined);
  t.deepEqual(Object.keys(error).sort(), ['code', 'retryable']);
  t.false(Object.hasOwn(error, 'cause'));
  t.notRegex(inspect(error), /undefined/);
});

test('only conflicts, locks, timeouts and lost connections are retryable', (t) => {
  for (const code of ['CONFLICT', 'LOCKED', 'TIMEOUT', 'CONNECTION']) t.true(new StorageError(code, '').retryable);
  for (const code of ['IO', 'CORRUPTED', 'UNKNOWN_OUTCOME', 'ABORTED']) t.false(new StorageError(code, '').retryable);
});

test('an aborted call is named as the platform names it', (t) => {
  const error = new StorageError('ABORTED', 'Given up');
  t.is(error.name, 'AbortError');
  t.regex(error.stack, /^AbortError: Given up\n/);
  t.is(new StorageError('IO', '').name, 'StorageError');
});

test('a wrong type is a TypeError with the same fields', (t) => {
  const error = new StorageTypeError('Expected the key to be a string, got a number', { operation: 'get' });
  t.true(error instanceof TypeError);
  t.like(error, { name: 'StorageTypeError', code: 'INVALID_ARGUMENT', operation: 'get', retryable: false });
});

test('isStorageError knows the errors of another copy of the package', (t) => {
  const copy = copyApart(t);
  t.not(copy.StorageError, StorageError);
  for (const { StorageError: Base, StorageTypeError: Type } of [copy, { StorageError, StorageTypeError }]) {
    t.true(isStorageError(new Base('IO', '')));
    t.true(isStorageError(new Type('')));
  }
});

test('isStorageError knows nothing but errors of the package', (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const other of [new Error('IO'), { code: 'IO' }, null, undefined, 'IO', proxy]) t.false(isStorageError(other));
});
