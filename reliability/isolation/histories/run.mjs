import { seeded } from '../../lib/random.mjs';
import { client } from './client.mjs';
import { freely, stepwise } from './pace.mjs';
import { Recorder } from './recorder.mjs';

const EPOCH = 250; // transactions begun before all clients move on to fresh keys

/**
 * Runs `clients` clients in this process until `transactions` transactions have committed, and gives their history.
 *
 * @param options.pace - 'stepwise' (the seed decides the order of calls) or 'freely'
 * @param options.share - of how many processes this is one: together they move on as one would
 */
export async function runClients({
  session,
  seed,
  clients,
  transactions,
  pace = 'freely',
  name = 'p',
  share = 1,
  firstEpoch = 0,
}) {
  const recorder = new Recorder(name);
  const random = seeded(seed);
  const paces = pace === 'stepwise' ? stepwise(seeded(`${seed} order`), clients) : freely();
  // Stepwise clients do not retry by themselves: the seed does not decide how long a retry waits.
  const own = pace === 'stepwise' ? { ...session, run: undefined } : session;
  const epoch = () => firstEpoch + Math.floor((recorder.history.length * share) / EPOCH);
  const running = Array.from({ length: clients }, (_, i) => {
    const choices = seeded(random.next());
    const each = Math.ceil(transactions / clients);
    return client({
      name: `${name}${i}`,
      session: own,
      random: choices,
      pace: paces.client(choices),
      recorder,
      transactions: each,
      epoch,
    });
  });
  const results = await Promise.allSettled(running);
  const failed = results.find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  return recorder.history;
}
