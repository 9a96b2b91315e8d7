// Exits with watches open and writes in flight.
import { args, open } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const watches = Array.from({ length: 20 }, () => engine.watch());
for (const watch of watches) void watch.next();
await engine.set('a', 1);
for (let n = 0; n < 50; n++) void engine.set(`k${n}`, n);
process.exit(5);
