// A process of the matrix: makes the calls that it is sent, on its own connection to the store, until the channel
// closes.
import { openSession } from '../session.mjs';
import { actor } from './actors.mjs';

const session = await openSession(JSON.parse(process.argv[2]));
const here = actor(session);

process.on('message', async ({ id, method, args }) => {
  try {
    process.send({ id, value: await here.call(method, ...args) });
  } catch (error) {
    process.send({ id, error: { code: error.code, message: error.stack } });
  }
});
process.on('disconnect', () => here.stop());
