// Processes that end with calls in flight: their end, and the records that are there afterwards.
import { join } from 'node:path';
import test from 'ava';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { ending, program } from '../helpers/program.mjs';

const WRITE_AND_END = new URL('programs/write-and-end.mjs', import.meta.url);
const CHECK_WRITES = new URL('programs/check-writes.mjs', import.meta.url);
const EXIT_AT = new URL('programs/exit-at.mjs', import.meta.url);
const EXIT_CUSTOM_ENGINE = new URL('programs/exit-custom-engine.mjs', import.meta.url);
const EXIT_WITH_WRITES = new URL('programs/exit-with-writes.mjs', import.meta.url);
const READ_ACKNOWLEDGED = new URL('programs/read-acknowledged.mjs', import.meta.url);
const REJECT = new URL('programs/reject.mjs', import.meta.url);

/** The endings that write-and-end.mjs knows, and what the test sees of each. */
const ENDINGS = {
  'process.exit': (t, { code }) => t.is(code, 7),
  'an uncaught exception': (t, { code, stderr }) => {
    t.is(code, 1);
    t.regex(stderr, /nobody catches this/);
  },
  'an unhandled rejection': (t, { code }) => t.is(code, 1),
  SIGKILL: (t, { signal }) => t.is(signal, 'SIGKILL'),
  SIGTERM: (t, { signal }) => t.is(signal, 'SIGTERM'),
};

/** The moments that exit-at.mjs knows. */
const MOMENTS = [
  'before any call',
  'while it connects',
  'once it is connected',
  'with a first write in flight',
  'with an iteration and verify in flight',
  'while it disconnects',
  'with calls in a listener of exit',
  'once one of many writes is acknowledged',
];

async function optionsOf(t, name, durability) {
  if (name === 'memory') return {};
  if (name === 'redis') return ENGINES.redis.config(t);
  return {
    [name === 'file' ? 'basePath' : 'path']: join(folderOf(t), name === 'sqlite' ? 'store.db' : 'store'),
    durability,
  };
}

for (const name of ['file', 'sqlite', 'leveldb', 'redis']) {
  for (const durability of name === 'redis' ? ['full'] : ['full', 'normal']) {
    for (const [how, expect] of Object.entries(ENDINGS)) {
      test(`${name}, ${durability}: ${how} loses nothing acknowledged and tears no batch`, async (t) => {
        const options = await optionsOf(t, name, durability);
        const end = await ending(WRITE_AND_END, { name, options, ending: how });
        expect(t, end);
        t.notRegex(end.stderr, /panick|FATAL|Segmentation/);
        t.true(end.said.length >= 60, `${end.said.length} were acknowledged: ${end.stderr}`);
        const [missing, halves, ok] = await program(CHECK_WRITES, { name, options, told: end.said });
        t.deepEqual(missing, [], 'acknowledged and gone');
        if (name !== 'redis') t.is(halves, 0, 'half a batch');
        t.true(ok);
      });
    }
  }
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
  test(`${name}: process.exit at any moment ends with its code`, async (t) => {
    for (const moment of MOMENTS) {
      const options = await optionsOf(t, name, 'full');
      const { code, signal, stderr } = await ending(EXIT_AT, { name, options, moment });
      t.deepEqual([code, signal, stderr], [5, null, ''], moment);
    }
  });
}

test('a custom engine with calls in flight ends with the process as it is told to', async (t) => {
  const { code, stderr } = await ending(EXIT_CUSTOM_ENGINE);
  t.deepEqual([code, stderr], [3, '']);
});

test('sqlite, normal: process.exit behind an acknowledged write does not lose it', async (t) => {
  const args = { name: 'sqlite', options: { path: join(folderOf(t), 'a.db'), durability: 'normal' } };
  await program(EXIT_WITH_WRITES, args);
  t.deepEqual(await program(READ_ACKNOWLEDGED, args), [1, true]);
});

test('a rejection that nobody handles is reported as any other', async (t) => {
  const error = await t.throwsAsync(program(REJECT));
  t.regex(error.stderr, /INVALID_KEY/);
});
