// A thread or process that runs a share of a history's clients on the store they all have open.
import { serve } from '../../lib/members.mjs';
import { openSession } from '../session.mjs';
import { runClients } from './run.mjs';

await serve(async ({ place, ...options }) => {
  const session = await openSession(place);
  return { go: () => runClients({ session, ...options }), stop: () => session.close() };
});
