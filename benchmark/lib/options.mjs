import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- [options]

  --quick           a tenth of the keys, 3 rounds: a look, not a figure
  --only ENGINE     memory, leveldb, sqlite, file or redis
  --rounds N        measured rounds after the warm-up round (7)
  --peers-only      measure the peers alone, without Holdfast
  --no-checks       leave out the memory and start-up checks
  --help

A whole run writes benchmark/results/latest.json and docs/benchmark.svg; any other writes
benchmark/results/partial.json.`;

export const ENGINES = ['memory', 'leveldb', 'sqlite', 'file', 'redis'];

export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      'peers-only': { type: 'boolean', default: false },
      'no-checks': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1');
  if (values.only !== undefined && !ENGINES.includes(values.only))
    throw new Error(`--only takes one of ${ENGINES.join(', ')}`);
  return {
    quick: values.quick,
    only: values.only,
    rounds,
    peersOnly: values['peers-only'],
    checks: !values['no-checks'] && !values['peers-only'],
    help: values.help,
    scale: values.quick ? 0.1 : 1,
  };
}
