// Waits for an event with `persistent: false`.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const quiet = engine.watch('*', { persistent: false });
await quiet.ready;
quiet.next().then(() => say('told'));
say('idle');
