// Leaves a store, a snapshot, a begun iterator and a key that expires. None of them may keep the process alive.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
await engine.set('a', 1, { ttl: 3_600_000 });
if (engine.capabilities.snapshots) await engine.snapshot();
const iterator = engine.entries();
await iterator.next();
say(engine.status);
