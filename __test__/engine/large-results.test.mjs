import test from 'ava';
import { ENGINES } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const LARGE_RESULTS = new URL('programs/large-results.mjs', import.meta.url);
// The programs copy some GiB.
const PATIENT = { timeout: 600_000 };

for (const name of ['memory', 'file', 'sqlite', 'leveldb']) {
  test.serial(`${name}: values that are longer together than a string can be come whole`, async (t) => {
    const options = await ENGINES[name].config(t);
    const [together, inSnapshot, inTransaction] = await program(LARGE_RESULTS, { name, options }, PATIENT);
    t.deepEqual(together, [true, 1]);
    t.true(inSnapshot);
    t.true(inTransaction);
  });
}

test.serial('a result that is longer than a string can be fails no other call', async (t) => {
  const said = await program(LARGE_RESULTS, { name: 'memory', options: {}, whole: true }, PATIENT);
  const [codes, [message, operation], length, end] = said.slice(3);
  const tooLarge = Array(4).fill('VALUE_TOO_LARGE');
  t.deepEqual(codes, [...tooLarge, 'ok', 'ok', 'ok']);
  t.regex(message, /ask for less at a time/);
  t.is(operation, 'getMany');
  t.is(length, 400 << 20);
  t.is(end, 'ended');
});
