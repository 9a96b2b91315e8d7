// storage.export: what it writes, and where.
import { Buffer } from 'node:buffer';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import test from 'ava';
import { folderOf, onEach } from '../helpers/engines.mjs';
import { exported, managerOf, stalled } from '../helpers/transfer.mjs';

const LINES = '{"key":"a","value":1}\n{"key":"b","value":{"c":2}}\n';

async function filled(t) {
  const storage = managerOf(t);
  await storage.getEngine().setMany([
    ['a', 1],
    ['b', { c: 2 }],
  ]);
  return storage;
}

test('a file gets the lines, readable by its owner alone', async (t) => {
  const storage = await filled(t);
  const target = join(folderOf(t), 'a.jsonl');
  t.deepEqual(await storage.export({ format: 'jsonl', target }), { exported: 2 });
  t.is(readFileSync(target, 'utf8'), LINES);
  if (process.platform !== 'win32') t.is(statSync(target).mode & 0o777, 0o600);
});

test('a Writable gets the lines and is ended', async (t) => {
  const storage = await filled(t);
  const target = new PassThrough();
  const [text, result] = await Promise.all([target.toArray(), storage.export({ format: 'jsonl', target })]);
  t.is(Buffer.concat(text).toString(), LINES);
  t.deepEqual(result, { exported: 2 });
});

test('a WritableStream gets the lines and is closed', async (t) => {
  const storage = await filled(t);
  const pieces = [];
  let closed = false;
  const target = new WritableStream({
    write: (piece) => void pieces.push(piece),
    close: () => void (closed = true),
  });
  await storage.export({ format: 'jsonl', target });
  t.is(Buffer.concat(pieces).toString(), LINES);
  t.true(closed);
  t.false(target.locked);
});

test('an empty engine gives an empty file', async (t) => {
  const target = join(folderOf(t), 'a.jsonl');
  t.deepEqual(await managerOf(t).export({ format: 'jsonl', target }), { exported: 0 });
  t.is(readFileSync(target, 'utf8'), '');
});

onEach('an export has the keys of its prefix, outside the folders of the models', async (t, engine) => {
  const storage = managerOf(t);
  await engine.setMany(['docs', 'u/a', 'u/b', 'v'].map((key) => [key, 1]));
  t.is((await exported(storage, engine)).split('\n').length, 5);
  t.is(await exported(storage, engine, { prefix: 'u/' }), '{"key":"u/a","value":1}\n{"key":"u/b","value":1}\n');
  t.is(await exported(storage, engine, { prefix: 'none' }), '');
});

test('a failed export leaves no file, and the one that was there', async (t) => {
  const storage = await filled(t);
  const folder = folderOf(t);
  const target = join(folder, 'a.jsonl');
  writeFileSync(target, 'before');
  await t.throwsAsync(storage.export({ format: 'jsonl', target, signal: AbortSignal.abort() }), { code: 'ABORTED' });
  const stop = new AbortController();
  const broken = storage.getEngine();
  const aborted = storage.export({ format: 'jsonl', target, signal: stop.signal, onProgress: () => stop.abort() });
  await t.throwsAsync(aborted, { code: 'ABORTED' });
  t.is(readFileSync(target, 'utf8'), 'before');
  t.deepEqual(readdirSync(folder), ['a.jsonl']);
  await broken.disconnect();
  await t.throwsAsync(storage.export({ format: 'jsonl', target: join(folder, 'none', 'a.jsonl') }), {
    code: 'IO',
    message: /Cannot write the target of the export/,
  });
  t.false(existsSync(join(folder, 'none')));
});

test('an export fails with the error of its target, which is destroyed', async (t) => {
  const storage = await filled(t);
  const failure = new Error('the target is full');
  const target = new Writable({ write: (_piece, _encoding, done) => done(failure) });
  t.is(await t.throwsAsync(storage.export({ format: 'jsonl', target })), failure);
  t.true(target.destroyed);
  const web = new WritableStream({ write: () => Promise.reject(failure) });
  t.is(await t.throwsAsync(storage.export({ format: 'jsonl', target: web })), failure);
});

test('an export that is aborted destroys its target', async (t) => {
  const storage = await filled(t);
  const { target } = stalled();
  const stop = new AbortController();
  const reason = new Error('no more');
  const aborted = storage.export({ format: 'jsonl', target, signal: stop.signal });
  while (target.taken === 0) await new Promise(setImmediate);
  stop.abort(reason);
  const error = await t.throwsAsync(aborted, { code: 'ABORTED', name: 'AbortError' });
  t.is(error.cause, reason);
  t.true(target.destroyed);
});

test('the last progress has every record and byte', async (t) => {
  const storage = managerOf(t);
  await storage.getEngine().setMany(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, index]));
  const told = [];
  const lines = await exported(storage, 'memory', { onProgress: (progress) => told.push(progress) });
  t.deepEqual(told.at(-1), { phase: 'export', done: 20_000, total: null, bytes: lines.length });
});

test('wrong arguments are refused', async (t) => {
  const storage = await filled(t);
  const target = new PassThrough();
  const refused = (options, expected) => t.throwsAsync(storage.export(options), expected);
  for (const options of [
    undefined,
    {},
    { format: 'jsonl' },
    { format: 7, target },
    { format: 'jsonl', target: 7 },
    { format: 'jsonl', target: '' },
    { format: 'jsonl', target: {} },
    { format: 'jsonl', target, from: 7 },
    { format: 'jsonl', target, prefix: '\ud800' },
    { format: 'jsonl', target, source: target },
    { format: 'jsonl', target, signal: 7 },
  ]) {
    await refused(options, { code: 'INVALID_ARGUMENT' });
  }
  await refused({ format: 'csv', target }, { code: 'NOT_SUPPORTED', message: /'jsonl'/ });
  await refused({ format: 'jsonl', target, from: 'none' }, { code: 'ENGINE_NOT_FOUND' });
  await storage.close();
  await refused({ format: 'jsonl', target }, { code: 'CLOSED' });
});
