// Leaves one watch by its signal and another by return.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const controller = new AbortController();
engine
  .watch('*', { signal: controller.signal })
  .next()
  .catch(({ code }) => say(code));
await engine.set('b', 1);
controller.abort();
void engine.watch().return();
say('left');
