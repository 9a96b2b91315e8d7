// Leaves a transaction on a custom engine open and commits another. With `args.exits` the process exits within a write
// of the commit.
import { StorageManager } from '../../helpers/entry.mjs';
import { args, say } from '../../helpers/child.mjs';
import { BareEngine } from '../../helpers/map-engine.mjs';

class ExitingEngine extends BareEngine {
  async set(key, value) {
    if (args.exits) process.exit(0);
    this.records.set(key, value);
  }
}

const target = new ExitingEngine();
const storage = new StorageManager({
  defaultEngine: 'mine',
  engines: { mine: target },
  transactions: { path: args.path },
});
const idle = await storage.beginTransaction();
await idle.get('a');
say('begun');
await storage.transaction((tx) => tx.set('a', 1));
say(target.records.get('a'));
