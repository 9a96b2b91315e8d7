// Writes until the disk is full, reads all records, makes room and goes on. Says the outcome of each step.
import { rmSync, writeFileSync } from 'node:fs';
import { args, codeOf, open, say } from '../../helpers/child.mjs';

const { name, folder, option, place, durability } = args;
const options = { [option]: `${folder}/${place}`, durability };
const ballast = `${folder}/ballast`;
const large = 'x'.repeat(300_000);

let engine = open(name, options);
writeFileSync(ballast, Buffer.alloc(12 << 20, 1));
await engine.set('first', 'old');
let written = 0;
let failed;
while (failed === undefined && written < 1_000) {
  try {
    await engine.set(`k${written}`, large + written);
    written++;
  } catch (error) {
    failed = error;
  }
}
say({ code: failed?.code, engine: failed?.engine, key: failed?.key === `k${written}` });

const batch = ['first', 'other', 'third', 'fourth', 'fifth'].map((key) => [key, large]);
say(await codeOf(engine.setMany(batch)));
let intact = (await engine.get('first')) === 'old' && !(await engine.has('other'));
for (let n = 0; n < written; n++) intact &&= (await engine.get(`k${n}`)) === large + n;
say(intact);

rmSync(ballast);
const closed = await codeOf(engine.disconnect());
engine = open(name, options);
for (let n = 0; n < written; n++) intact &&= (await engine.get(`k${n}`)) === large + n;
// At 'none' leveldb loses what it has not handed to the system with a log that takes nothing more; closing says so.
const told = durability === 'none' && name === 'leveldb' && closed === 'IO';
say((intact || told) && (await engine.get('first')) === 'old' && !(await engine.has('other')));

await engine.set('first', large);
say((await engine.get('first')) === large && (await engine.verify()).ok);
await engine.disconnect();
