// Adds 1 to a counter 50 times.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open('sqlite', args);
for (let n = 0; n < 50; n++) await engine.increment('count');
say((await engine.get('count')) >= 50);
