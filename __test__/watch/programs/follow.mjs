// Follows a watch until its second event. Nothing else keeps the process alive: the timers that write are unreferenced.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const watch = engine.watch();
setTimeout(() => void engine.set('a', 1), 50).unref();
setTimeout(() => void engine.set('a', 2), 100).unref();
for await (const { value } of watch) {
  say(value);
  if (value === 2) break;
}
