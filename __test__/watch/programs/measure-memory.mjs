// Says how many megabytes 10,000 watches add to the resident memory. They are returned if `args.returned`, else lost.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { args, open, say } from '../../helpers/child.mjs';

setFlagsFromString('--expose_gc');
const gc = runInNewContext('gc');
const engine = open(args.name, args.options);
await engine.connect();
let n = 0;

async function round(count) {
  for (let k = 0; k < count; k++) {
    const watch = engine.watch('key*');
    if (k % 100 === 0) {
      await engine.set('key', n++);
      await watch.next();
    }
    if (args.returned) await watch.return();
    if (k % 500 === 0) {
      gc();
      await new Promise(setImmediate);
    }
  }
  gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
  gc();
  return process.memoryUsage().rss;
}

await round(2000);
const before = await round(1000);
const after = await round(10000);
say((after - before) / 1e6);
await engine.disconnect(); // watches that are lost and not collected yet keep the process alive
