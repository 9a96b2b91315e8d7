// Writes 200 groups of three keys.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
for (let n = 0; n < 200; n++) {
  await engine.setMany([
    ['n:other', n],
    ['n:pair', n],
    ['quiet', n],
  ]);
}
say('done');
