import { join } from 'node:path';
import test from 'ava';
import { ENGINES, folderOf } from '../helpers/engines.mjs';
import { ending, program } from '../helpers/program.mjs';

/** Writes with 100 calls in flight, tells of each that was acknowledged before anything else happens, and ends as it is told. */
const WRITE = `
import { writeSync } from 'node:fs';
const engine = open(args.name, args.options);
await engine.connect();
let sent = 0;
let acknowledged = 0;
const write = () => {
  const number = sent++;
  const key = 'k' + String(number).padStart(6, '0');
  const done = number % 3 === 0 ? engine.setMany([[key, number], ['half/' + key, number]]) : engine.set(key, number);
  done.then(() => {
    writeSync(1, JSON.stringify(key) + '\\n');
    acknowledged++;
    if (acknowledged === 60) end();
    // No further ones then: inline writes would leave the event loop no room for the end.
    else if (acknowledged < 60) write();
  });
};
const end = () => { ENDING };
for (let flight = 0; flight < 100; flight++) write();
`;

const CHECK = `
const engine = open(args.name, args.options);
const keys = new Set(await engine.keys());
say(args.told.filter((key) => !keys.has(key)));
const batches = [...keys].filter((key) => key.startsWith('k') && Number(key.slice(1)) % 3 === 0);
say(batches.filter((key) => !keys.has('half/' + key)).length + [...keys].filter((key) => key.startsWith('half/') && !keys.has(key.slice(5))).length);
say((await engine.verify()).ok);
await engine.clear();
await engine.disconnect();
`;

const ENDINGS = {
  'process.exit': { source: 'process.exit(7)', expect: (t, { code }) => t.is(code, 7) },
  'an uncaught exception': {
    source: `queueMicrotask(() => { throw new Error('nobody catches this'); })`,
    expect: (t, { code, stderr }) => {
      t.is(code, 1);
      t.regex(stderr, /nobody catches this/);
    },
  },
  'an unhandled rejection': {
    source: `Promise.reject(new Error('nobody catches this'))`,
    expect: (t, { code }) => t.is(code, 1),
  },
  SIGKILL: { source: `process.kill(process.pid, 'SIGKILL')`, expect: (t, { signal }) => t.is(signal, 'SIGKILL') },
  SIGTERM: { source: `process.kill(process.pid, 'SIGTERM')`, expect: (t, { signal }) => t.is(signal, 'SIGTERM') },
};

for (const name of ['file', 'sqlite', 'leveldb', 'redis']) {
  for (const durability of name === 'redis' ? ['full'] : ['full', 'normal']) {
    for (const [what, { source, expect }] of Object.entries(ENDINGS)) {
      test(`${name}, ${durability}: ${what} with calls in flight loses nothing acknowledged and tears no batch`, async (t) => {
        const options = name === 'redis' ? await ENGINES.redis.config(t) : optionsOf(t, name, durability);
        const end = await ending(WRITE.replace('ENDING', source), { name, options });
        expect(t, end);
        t.notRegex(end.stderr, /panick|FATAL|Segmentation/);
        t.true(end.said.length >= 60, `${end.said.length} were acknowledged: ${end.stderr}`);
        const [missing, halves, ok] = await program(CHECK, { name, options, told: end.said });
        t.deepEqual(missing, [], 'acknowledged and gone');
        if (name !== 'redis') t.is(halves, 0, 'half a batch');
        t.true(ok);
      });
    }
  }
}

function optionsOf(t, name, durability) {
  return {
    [name === 'file' ? 'basePath' : 'path']: join(folderOf(t), name === 'sqlite' ? 'store.db' : 'store'),
    durability,
  };
}

for (const name of ['memory', 'file', 'sqlite', 'leveldb', 'redis']) {
  const optionsFor = async (t) =>
    name === 'redis' ? ENGINES.redis.config(t) : name === 'memory' ? {} : optionsOf(t, name, 'full');

  test(`${name}: process.exit in the middle of anything ends with its code`, async (t) => {
    for (const moment of [
      `process.exit(5);`,
      `void engine.connect().catch(() => {}); process.exit(5);`,
      `await engine.connect(); process.exit(5);`,
      `void engine.set('a', 1); process.exit(5);`,
      `await engine.set('a', 1); const it = engine.entries(); await it.next(); void it.next(); void engine.verify(); process.exit(5);`,
      `await engine.set('a', 1); void engine.disconnect(); process.exit(5);`,
      `await engine.set('a', 1); process.on('exit', () => { void engine.set('b', 2); if (engine.capabilities.sync) engine.getSync('a'); }); process.exit(5);`,
      `for (let n = 0; n < 50; n++) void engine.set('k' + n, n).then(() => process.exit(5));`,
    ]) {
      const { code, signal, stderr } = await ending(`const engine = open(args.name, args.options); ${moment}`, {
        name,
        options: await optionsFor(t),
      });
      t.deepEqual([code, signal, stderr], [5, null, ''], moment);
    }
  });

  test(`${name}: a call in flight keeps the process alive until it is answered, and nothing idle does`, async (t) => {
    const options = await optionsFor(t);
    const said = await program(
      `
      const engine = open(args.name, args.options);
      engine.set('a', 1).then(() => engine.get('a')).then((value) => { say(value); return engine.setMany([['b', 2]]); })
        .then(() => engine.entries().next()).then(({ value }) => { say(value); return engine.verify(); }).then(({ ok }) => say(ok));
    `,
      { name, options },
    );
    t.deepEqual(said, [1, ['a', 1], true]);
    // Open stores, a snapshot, iterators that were begun, a key that expires later: none holds the process.
    const idle = await program(
      `
      const engine = open(args.name, args.options);
      await engine.set('a', 1, { ttl: 3_600_000 });
      if (engine.capabilities.snapshots) await engine.snapshot();
      const iterator = engine.entries();
      await iterator.next();
      say(engine.status);
    `,
      { name, options },
    );
    t.deepEqual(idle, ['connected']);
  });
}

test('a JavaScript engine with calls in flight ends with the process as it is told to', async (t) => {
  const map = JSON.stringify(new URL('../helpers/map-engine.mjs', import.meta.url).href);
  const { code, stderr } = await ending(`
    const { BareEngine } = await import(${map});
    const engine = new holdfast.StorageManager({ engines: { mine: new BareEngine() } }).getEngine('mine');
    for (let n = 0; n < 100; n++) void engine.set('k' + n, n);
    await engine.get('k5');
    process.exit(3);
  `);
  t.deepEqual([code, stderr], [3, '']);
});
