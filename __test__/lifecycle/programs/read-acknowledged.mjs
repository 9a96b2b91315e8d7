// Says the record that was acknowledged to exit-with-writes.mjs, and whether verify finds nothing.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
say(await engine.get('acknowledged'));
say((await engine.verify()).ok);
await engine.disconnect();
