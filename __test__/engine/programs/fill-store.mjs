// Writes 500 records, then ends as `args` says: compacted, with a record that has metadata, or killed before it closes.
import { args, open } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
for (let n = 0; n < 500; n++) await engine.set(`k${String(n).padStart(3, '0')}`, args.text + n);
if (args.killed) process.kill(process.pid, 'SIGKILL');
if (args.compacted) await engine.compact();
if (args.meta) await engine.set('meta', 1, { metadata: { a: 1 }, ttl: 1e9 });
await engine.disconnect();
