// Tries to write to a store that it may only read, and to make one beside it.
import { MemoryStorage } from '../../helpers/entry.mjs';
import { args, codeOf, open, say } from '../../helpers/child.mjs';

// Permissions do not stop root. It gives its rights up once the addon is loaded.
await new MemoryStorage().set('a', 1);
if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
}
say(await codeOf(open(args.name, { [args.option]: args.path }).set('b', 2)));
say(await codeOf(open(args.name, { [args.option]: `${args.path}-new` }).set('b', 2)));
