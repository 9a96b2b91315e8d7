// Consumes with an `onError` that throws, or that returns what is no decision.
import { StorageManager } from '../../helpers/entry.mjs';
import { args, say } from '../../helpers/child.mjs';

const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(error.code ?? error.message));
const storage = new StorageManager({ defaultEngine: 'memory' });
const calls = [];
const onError = () => {
  if (args.wrong === 'throw') throw new Error('mine');
  return 'Skip';
};
storage.consume(
  'c',
  '*',
  async (events, { attempt }) => {
    calls.push(attempt);
    if (attempt === 1) throw new Error('once');
    setTimeout(async () => {
      await storage.close();
      say({ uncaught, calls });
    }, 0);
  },
  { onError, retry: { minDelay: 1 } },
);
await storage.getEngine().set('a', 1);
