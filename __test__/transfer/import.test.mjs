// storage.import: what it reads, and what it refuses.
import { Buffer } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import test from 'ava';
import { collect, folderOf, onEach } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';
import { managerOf, records, until } from '../helpers/transfer.mjs';

const TEXT = '{"key":"a","value":1}\n{"key":"b","value":"\u00e9"}';
const BYTES = Buffer.from(TEXT);

test('every kind of source is read', async (t) => {
  const storage = managerOf(t);
  const engine = storage.getEngine();
  const path = join(folderOf(t), 'a.jsonl');
  writeFileSync(path, TEXT);
  const web = () =>
    new ReadableStream({
      start(controller) {
        for (const byte of BYTES) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
  for (const [kind, source] of Object.entries({
    path,
    buffer: BYTES,
    'a view of a larger buffer': new Uint8Array(Buffer.concat([Buffer.from('xx'), BYTES, Buffer.from('yy')])).subarray(
      2,
      2 + BYTES.length,
    ),
    readable: Readable.from([BYTES.subarray(0, 30), BYTES.subarray(30)]),
    'a readable of text': Readable.from([TEXT]).setEncoding('utf8'),
    'a web stream': web(),
    generator: (async function* () {
      yield TEXT.slice(0, 10);
      yield new Uint8Array();
      yield BYTES.subarray(10);
    })(),
  })) {
    await engine.clear();
    t.deepEqual(
      await storage.import({ format: 'jsonl', source, to: 'memory' }),
      {
        imported: 2,
        refused: [],
        refusedCount: 0,
      },
      kind,
    );
    t.deepEqual(await engine.getMany(['a', 'b']), [1, '\u00e9'], kind);
  }
});

test('a chunk may be written to once it was taken', async (t) => {
  const storage = managerOf(t);
  const chunk = Buffer.alloc(64);
  async function* source() {
    for (let n = 0; n < 500; n++) {
      const length = chunk.write(`{"key":"k${n}","value":${n}}\n`);
      yield chunk.subarray(0, length);
      chunk.fill('x');
    }
  }
  t.is((await storage.import({ format: 'jsonl', source: source(), to: 'memory' })).imported, 500);
  t.is(await storage.getEngine().get('k499'), 499);
});

onEach('bad lines are reported and left out', async (t, engine) => {
  const storage = managerOf(t);
  const lines = [
    '\ufeff{"key":"a","value":1}\r',
    '',
    'not JSON',
    '{"key":"docs/a","value":1}',
    '{"key":"b","value":1,"expiresAt":"soon"}',
    '{"key":"c","value":2}',
  ];
  const outcome = await storage.import({ format: 'jsonl', source: Buffer.from(lines.join('\n')), to: engine });
  t.deepEqual(await engine.keys(), ['a', 'c']);
  t.deepEqual(
    outcome.refused.map(({ line, key, code }) => [line, key, code]),
    [
      [3, undefined, 'INVALID_ARGUMENT'],
      [4, 'docs/a', 'INVALID_KEY'],
      [5, 'b', 'INVALID_ARGUMENT'],
    ],
  );
  t.deepEqual([outcome.imported, outcome.refusedCount], [2, 3]);
});

test('a thousand refusals are kept, and all are counted', async (t) => {
  const storage = managerOf(t);
  const source = Buffer.from('bad\n'.repeat(3000) + TEXT);
  const outcome = await storage.import({ format: 'jsonl', source, to: 'memory' });
  t.deepEqual([outcome.imported, outcome.refusedCount, outcome.refused.length], [2, 3000, 1000]);
  t.is(outcome.refused.at(-1).line, 1000);
});

test('values over the limit of the manager are refused', async (t) => {
  const storage = managerOf(t, { maxValueBytes: 10 });
  const line = (key, length) => `{"key":"${key}","value":"${'x'.repeat(length)}"}\n`;
  const source = Buffer.from(line('fits', 8) + line('long', 9) + line('longer', 100_000) + line('fits too', 8));
  const { refused } = await storage.import({ format: 'jsonl', source, to: 'memory' });
  t.deepEqual(
    refused.map(({ line, key, code }) => [line, key, code]),
    [
      [2, 'long', 'VALUE_TOO_LARGE'],
      [3, undefined, 'VALUE_TOO_LARGE'],
    ],
  );
  t.deepEqual(await storage.getEngine().keys(), ['fits', 'fits too']);
});

test('a prefix is put in front of every key', async (t) => {
  const storage = managerOf(t);
  await storage.import({ format: 'jsonl', source: BYTES, to: 'memory', prefix: 'p/' });
  t.deepEqual(await storage.keyValue('p').keys(), ['a', 'b']);
});

test('an engine of eight methods refuses what it cannot keep, and takes the rest', async (t) => {
  const storage = managerOf(t);
  const target = new BareEngine();
  const source = Buffer.from(`${TEXT}\n{"key":"c","value":1,"metadata":{}}\n{"key":"d","value":1,"expiresAt":9e12}\n`);
  const { imported, refused } = await storage.import({ format: 'jsonl', source, to: target });
  t.is(imported, 2);
  t.deepEqual(
    refused.map(({ line, key, code }) => [line, key, code]),
    [
      [3, 'c', 'NOT_SUPPORTED'],
      [4, 'd', 'NOT_SUPPORTED'],
    ],
  );
  t.deepEqual(
    [...target.records],
    [
      ['a', 1],
      ['b', '\u00e9'],
    ],
  );
});

onEach('an import that is aborted keeps what it told, and writes nothing more', async (t, engine) => {
  const storage = managerOf(t);
  let given = false;
  let closed = false;
  async function* source() {
    try {
      // In few chunks, so that progress is held back.
      for (let chunk = 0; chunk < 5; chunk++) yield (await collect(records(500, {}, chunk * 500))).join('');
      given = true;
      await new Promise(() => {});
    } finally {
      closed = true;
    }
  }
  const told = [];
  const stop = new AbortController();
  const options = { format: 'jsonl', source: source(), to: engine, signal: stop.signal };
  const aborted = storage.import({ ...options, onProgress: ({ done }) => told.push(done) });
  await until(() => given);
  while ((await engine.count()) < 2000);
  stop.abort();
  await t.throwsAsync(aborted, { code: 'ABORTED' });
  t.is(told.at(-1), 2000, 'it is told before the call ends');
  t.is(await engine.count(), 2000);
  t.false(closed, 'a generator that waits for ever cannot be ended');
});

test('a signal that has fired starts nothing', async (t) => {
  const storage = managerOf(t);
  const given = { count: 0 };
  const options = { format: 'jsonl', source: records(10, given), to: 'memory', signal: AbortSignal.abort() };
  await t.throwsAsync(storage.import(options), { code: 'ABORTED' });
  t.is(given.count, 0);
});

test('an import fails with the error of its source, and gives the source up on any error', async (t) => {
  const storage = managerOf(t);
  const failure = new Error('the line is cut');
  async function* failing() {
    yield TEXT;
    throw failure;
  }
  t.is(await t.throwsAsync(storage.import({ format: 'jsonl', source: failing(), to: 'memory' })), failure);
  const readable = Readable.from([TEXT, 7]);
  await t.throwsAsync(storage.import({ format: 'jsonl', source: readable, to: 'memory' }), {
    code: 'INVALID_ARGUMENT',
    message: /bytes or strings, got a number/,
  });
  t.true(readable.destroyed);
  let cancelled = false;
  const web = new ReadableStream({
    pull: (controller) => controller.enqueue(7),
    cancel: () => void (cancelled = true),
  });
  await t.throwsAsync(storage.import({ format: 'jsonl', source: web, to: 'memory' }), { code: 'INVALID_ARGUMENT' });
  t.true(cancelled);
  await t.throwsAsync(storage.import({ format: 'jsonl', source: join(folderOf(t), 'none'), to: 'memory' }), {
    code: 'IO',
    message: /Cannot read the source of the import/,
  });
});

test('wrong arguments are refused', async (t) => {
  const storage = managerOf(t);
  const refused = (options, expected) => t.throwsAsync(storage.import(options), expected);
  for (const options of [
    undefined,
    {},
    { format: 'jsonl', source: BYTES },
    { format: 'jsonl', to: 'memory' },
    { format: 'jsonl', source: [BYTES], to: 'memory' },
    { format: 'jsonl', source: 7, to: 'memory' },
    { format: 'jsonl', source: BYTES, to: 'memory', target: 'x' },
    { format: 'jsonl', source: BYTES, to: 'memory', prefix: '\ud800' },
  ]) {
    await refused(options, { code: 'INVALID_ARGUMENT' });
  }
  await refused({ format: 'lowdb', source: BYTES, to: 'memory' }, { code: 'NOT_SUPPORTED', message: /'jsonl'/ });
  await refused({ format: 'jsonl', source: BYTES, to: 'none' }, { code: 'ENGINE_NOT_FOUND' });
});
