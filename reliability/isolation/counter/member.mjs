// A process that adds to one counter, one call after the other.
import { serve } from '../../lib/members.mjs';
import { openSession } from '../session.mjs';

const KEY = 'counter';

const WAYS = {
  'read and write': ({ run }) => run(async (tx) => tx.set(KEY, ((await tx.get(KEY)) ?? 0) + 1)),
  'increment in a transaction': ({ run }) => run((tx) => tx.increment(KEY)),
  increment: ({ engine }) => engine.increment(KEY),
};

await serve(async ({ place, way, times }) => {
  const session = await openSession(place);
  return {
    async go() {
      for (let i = 0; i < times; i += 1) await WAYS[way](session);
    },
    stop: () => session.close(),
  };
});
