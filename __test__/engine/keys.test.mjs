import test from 'ava';
import { MemoryStorage } from '../helpers/entry.mjs';
import { collect, onEach } from '../helpers/engines.mjs';

// Keys that differ by path tricks, case, normalisation or characters that file systems forbid: all are different keys.
const DISTINCT = [
  'a',
  'A',
  'a/b',
  'a/b/c',
  'a/',
  '/a',
  '//',
  '.',
  '..',
  '../x',
  '....//x',
  'x',
  'con',
  'CON.txt',
  'nul',
  'a.',
  'a ',
  ' a',
  'a:b',
  'a\\b',
  'a*?"<>|',
  '\u00e9',
  'e\u0301',
  '__proto__',
  'constructor',
  'line\nbreak',
  'nul\u0000byte',
  '\u0001',
  '\u00011',
  'x.json',
  'x.json/y',
  '~',
  '%2e',
  '{tag}',
  '\ud83d\ude00',
  '\uffff',
  '\u{10ffff}',
  'k'.repeat(4096),
  '\u00e9'.repeat(2048),
  'docs',
  'docs.x',
  'objectsx/y',
];

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

onEach('keys that look alike are different keys', async (t, engine) => {
  await engine.setMany(DISTINCT.map((key, index) => [key, index]));
  for (const [index, key] of DISTINCT.entries()) t.is(await engine.get(key), index, JSON.stringify(key.slice(0, 40)));
  t.deepEqual(
    await engine.getMany(DISTINCT),
    DISTINCT.map((_, index) => index),
  );
  t.is(await engine.count(), DISTINCT.length);
});

onEach('keys are listed by their UTF-8 bytes', async (t, engine) => {
  await Promise.all(DISTINCT.map((key) => engine.set(key, 1)));
  const sorted = [...DISTINCT].sort(byBytes);
  t.deepEqual(await engine.keys(), sorted);
  t.deepEqual(await collect(engine.keysIterator({ reverse: true })), sorted.reverse());
});

onEach('each key is deleted alone', async (t, engine) => {
  await engine.setMany(DISTINCT.map((key) => [key, key.length]));
  for (const key of DISTINCT) {
    t.true(await engine.delete(key));
    t.false(await engine.has(key));
  }
  t.deepEqual(await engine.keys(), []);
});

onEach('what is no key is refused by every method that takes one', async (t, engine) => {
  const bad = ['', 'k'.repeat(4097), '\u00e9'.repeat(2049), 'lone \ud800', '\udc00'];
  for (const key of bad) {
    const error = { code: 'INVALID_KEY', name: 'StorageError' };
    await t.throwsAsync(engine.get(key), error);
    await t.throwsAsync(engine.set(key, 1), error);
    await t.throwsAsync(engine.has(key), error);
    await t.throwsAsync(engine.delete(key), error);
    await t.throwsAsync(engine.getEntry(key), error);
    await t.throwsAsync(engine.increment(key), error);
    await t.throwsAsync(engine.compareAndSet(key, null, 1), error);
    await t.throwsAsync(engine.getMany(['a', key]), error);
    await t.throwsAsync(
      engine.setMany([
        ['a', 1],
        [key, 1],
      ]),
      error,
    );
    await t.throwsAsync(engine.deleteMany([key]), error);
    await t.throwsAsync(engine.batch([{ type: 'set', key, value: 1 }]), error);
  }
  t.deepEqual(await engine.keys(), [], 'nothing was written');
});

onEach('raw writes into the folders of the models are refused', async (t, engine, { name }) => {
  for (const key of ['docs/x', 'objects/a/b', 'graphs/']) {
    const error = { code: 'INVALID_KEY' };
    await t.throwsAsync(engine.set(key, 1), { ...error, message: /belong to a model/ });
    await t.throwsAsync(engine.delete(key), error);
    await t.throwsAsync(engine.increment(key), error);
    await t.throwsAsync(engine.setMany([[key, 1]]), error);
    await t.throwsAsync(engine.batch([{ type: 'delete', key }]), error);
    t.is(await engine.get(key), null, name);
  }
});

test('the error names the engine, the operation and the key', async (t) => {
  const error = await t.throwsAsync(new MemoryStorage().set('docs/x', 1));
  t.like(error, { engine: 'memory', operation: 'set', key: 'docs/x', retryable: false });
});
