// Exits with 500 writes in flight behind one that was acknowledged.
import { args, open } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
await engine.set('acknowledged', 1);
for (let n = 0; n < 500; n++) void engine.set(`k${n}`, n);
process.exit(0);
