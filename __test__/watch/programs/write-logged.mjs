// Writes with a change log, and says the commit it begins at, then each number up to which all calls are acknowledged.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const { commit } = await engine.stats();
const watch = engine.watch('*', { since: commit, maxQueue: 1_000_000 });
await watch.ready;
say(commit);

async function settle(n) {
  if (n % 7 === 3) await engine.deleteMany([`k${n % 50}`, 'absent']);
  else {
    await engine.setMany([
      [`k${n % 50}`, n],
      [`pair${n % 50}`, n],
    ]);
  }
  return n;
}

for (let n = 0; ; n += 20) {
  await Promise.all(Array.from({ length: 20 }, (_, k) => settle(n + k)));
  say(n + 19);
}
