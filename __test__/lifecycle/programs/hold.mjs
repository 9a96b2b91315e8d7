// Keeps a store open until its stdin ends.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
await engine.set('theirs', 1);
say('open');
for await (const chunk of process.stdin) void chunk;
await engine.disconnect();
