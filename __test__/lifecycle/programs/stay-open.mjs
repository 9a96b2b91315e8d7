// Leaves open what must not keep a process alive: a store, a snapshot, an iterator that was begun, a key that expires.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
await engine.set('a', 1, { ttl: 3_600_000 });
if (engine.capabilities.snapshots) await engine.snapshot();
const iterator = engine.entries();
await iterator.next();
say(engine.status);
