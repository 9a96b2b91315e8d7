// Says which acknowledged writes of write-and-end.mjs are missing, how many batches are there by half, and whether
// verify finds nothing.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const keys = new Set(await engine.keys());
say(args.told.filter((key) => !keys.has(key)));
const batches = [...keys].filter((key) => key.startsWith('k') && Number(key.slice(1)) % 3 === 0);
const firstHalves = batches.filter((key) => !keys.has(`half/${key}`));
const secondHalves = [...keys].filter((key) => key.startsWith('half/') && !keys.has(key.slice(5)));
say(firstHalves.length + secondHalves.length);
say((await engine.verify()).ok);
await engine.clear();
await engine.disconnect();
