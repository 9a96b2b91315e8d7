import { spawnSync } from 'node:child_process';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { onSmallDisk } from '../helpers/program.mjs';

// Other systems have no disk of a few megabytes that a test may make; there, and in the count of tests, these are told as skipped.
const onLinux = process.platform === 'linux' ? test : test.skip;

const PREAMBLE = `
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
const options = { [args.option]: args.folder + '/' + args.place, durability: args.durability };
const large = 'x'.repeat(300_000);
`;

/** Writes until the disk is full, then looks at what is there, makes room and goes on. */
const FILL = `${PREAMBLE}
let engine = open(args.name, options);
writeFileSync(args.folder + '/ballast', Buffer.alloc(12 << 20, 1));
await engine.set('first', 'old');
let written = 0;
let failed;
while (failed === undefined && written < 1_000) {
  try {
    await engine.set('k' + written, large + written);
    written++;
  } catch (error) { failed = error; }
}
say({ code: failed?.code, engine: failed?.engine, key: failed?.key === 'k' + written });
say(await codeOf(engine.setMany([['first', large], ['other', large], ['third', large], ['fourth', large], ['fifth', large]])));
let intact = (await engine.get('first')) === 'old' && !(await engine.has('other'));
for (let n = 0; n < written; n++) intact &&= (await engine.get('k' + n)) === large + n;
say(intact);
rmSync(args.folder + '/ballast');
const closed = await codeOf(engine.disconnect());
engine = open(args.name, options);
for (let n = 0; n < written; n++) intact &&= (await engine.get('k' + n)) === large + n;
// What leveldb has not handed to the system at 'none' goes with a log that took nothing more; then closing says so.
const told = args.durability === 'none' && args.name === 'leveldb' && closed === 'IO';
say((intact || told) && (await engine.get('first')) === 'old' && !(await engine.has('other')));
await engine.set('first', large);
say((await engine.get('first')) === large && (await engine.verify()).ok);
await engine.disconnect();
`;

const READ_ONLY = `${PREAMBLE}
let engine = open(args.name, options);
await engine.set('a', 1);
await engine.disconnect();
execFileSync('mount', ['-o', 'remount,bind,ro', args.folder]);
say(await codeOf(open(args.name, options).get('a')));
say(await codeOf(open(args.name, { ...options, [args.option]: args.folder + '/new' }).set('a', 1)));
engine = open(args.name, { ...options, readOnly: true });
say(await engine.get('a'));
say(await engine.keys());
for (const write of [engine.set('a', 2), engine.delete('a'), engine.clear(), engine.setMany([['b', 1]]), engine.increment('a'), engine.compareAndSet('b', null, 1)]) {
  say(await codeOf(write));
}
say((await engine.verify()).ok);
await engine.disconnect();
`;

const PLACES = { file: ['basePath', 'store'], sqlite: ['path', 'store.db'], leveldb: ['path', 'store'] };

for (const [name, [option, place]] of Object.entries(PLACES)) {
  for (const durability of ['full', 'normal', 'none']) {
    onLinux(
      `${name}, ${durability}: a full disk is NO_SPACE, loses nothing that was acknowledged, and can be freed`,
      async (t) => {
        const said = await onSmallDisk(FILL, folderOf(t), '24m', { name, option, place, durability });
        t.like(said[0], { code: 'NO_SPACE', engine: name });
        t.true(['NO_SPACE', 'IO'].includes(said[1]), said[1]);
        t.deepEqual(said.slice(2), [true, true, true]);
      },
    );
  }

  onLinux(`${name}: a read-only disk is READ_ONLY at connect, and can be read with readOnly`, async (t) => {
    const said = await onSmallDisk(READ_ONLY, folderOf(t), '12m', { name, option, place });
    t.deepEqual(said, ['READ_ONLY', 'READ_ONLY', 1, ['a'], ...Array(6).fill('READ_ONLY'), true]);
  });
}

onLinux('the programs these tests need are here', (t) => {
  for (const program of ['unshare', 'mount'])
    t.is(spawnSync(program, ['--version']).status, 0, `install util-linux for ${program}`);
});
