/**
 * `npm run reliability -- isolation`: the isolation of transactions on every engine.
 */
import { parseArgs } from 'node:util';
import { Problem, step } from '../scripts/lib/console.mjs';
import { actor, remoteActor } from './isolation/matrix/actors.mjs';
import { runMatrix } from './isolation/matrix/index.mjs';
import { MODES, runHistory } from './isolation/histories/index.mjs';
import { WAYS, countTogether, openSecond } from './isolation/counter/index.mjs';
import { openSession } from './isolation/session.mjs';
import { ENGINES, places } from './lib/places.mjs';
import { table } from './lib/table.mjs';

const USAGE = `npm run reliability -- isolation [options]

  --only PART        matrix, histories or counter
  --engine NAME      ${ENGINES.join(', ')}
  --transactions N   that have to commit in each history (10,000)
  --times N          that each of two processes adds to the counter (10,000)
  --seed S           of the histories (1)`;

const SHARED = ['sqlite', 'redis'];
const PARTS = { matrix, histories, counter };

async function matrix({ engines, next }) {
  step('The scenarios of Hermitage');
  const columns = [];
  for (const name of engines) {
    columns.push({ heading: name, rows: await matrixHere(next(name)) });
    if (SHARED.includes(name)) columns.push({ heading: `${name}, processes`, rows: await matrixAcross(next(name)) });
  }
  const rows = columns[0].rows.map(({ id, title }, i) => [
    `${id}: ${title}`,
    ...columns.map((column) => column.rows[i].cell),
  ]);
  console.log(table(['scenario', ...columns.map(({ heading }) => heading)], rows));
  console.log(
    '\nT2 CONFLICT: it was refused. as T1, T2: both committed, and this serial order explains all they read and ' +
      'left behind.',
  );
  const anomalies = columns.flatMap((column) => column.rows).filter(({ prevented }) => !prevented).length;
  console.log(`${columns.length * rows.length} cells, ${anomalies} anomalies`);
  return anomalies;
}

async function matrixHere(place) {
  const session = await openSession(place);
  try {
    return await runMatrix(
      session.engine,
      [1, 2, 3].map(() => actor({ begin: session.begin })),
    );
  } finally {
    await session.close();
  }
}

async function matrixAcross(place) {
  const session = await openSession(place);
  const actors = await Promise.all([1, 2, 3].map(() => remoteActor(place)));
  try {
    return await runMatrix(session.engine, actors);
  } finally {
    await Promise.all(actors.map((each) => each.stop()));
    await session.close();
  }
}

async function histories({ engines, next, transactions, seed }) {
  step('Random histories');
  const rows = [];
  const found = [];
  for (const name of engines) {
    for (const mode of MODES[name]) {
      const report = await runHistory({ place: next(name), mode, seed, transactions });
      rows.push([
        name,
        mode,
        report.transactions,
        report.committed,
        report.failed,
        report.edges,
        report.anomalies.length,
        Number(report.seconds.toFixed(1)),
      ]);
      for (const anomaly of report.anomalies.slice(0, 10))
        found.push(`${name}, ${mode}: ${anomaly.name}: ${anomaly.detail}`);
    }
  }
  console.log(
    table(
      ['engine', 'clients', 'transactions', 'committed', 'conflicts and rollbacks', 'edges', 'anomalies', 'seconds'],
      rows,
    ),
  );
  for (const line of found) console.log(line);
  return rows.reduce((sum, row) => sum + row[6], 0);
}

async function counter({ engines, next, times }) {
  step('Two processes add to one counter');
  const rows = [];
  let wrong = 0;
  for (const name of engines.filter((engine) => SHARED.includes(engine))) {
    for (const way of WAYS) {
      const { value, expected, seconds } = await countTogether({ place: next(name), way, times });
      rows.push([name, way, expected, value, Number(seconds.toFixed(1))]);
      if (value !== expected) wrong += 1;
    }
  }
  if (rows.length > 0) console.log(table(['engine', 'by', 'added', 'counted', 'seconds'], rows));
  for (const name of engines.filter((engine) => engine === 'file' || engine === 'leveldb')) {
    const told = await openSecond({ place: next(name) });
    console.log(`${name}: the second process gets ${told}`);
    if (told !== 'LOCKED') wrong += 1;
  }
  return wrong;
}

function wholeNumber(values, name) {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1) throw new Problem(`--${name} takes a whole number from 1`);
  return number;
}

export async function run(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      engine: { type: 'string' },
      transactions: { type: 'string', default: '10000' },
      times: { type: 'string', default: '10000' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  if (values.only !== undefined && !Object.hasOwn(PARTS, values.only))
    throw new Problem(`--only takes ${Object.keys(PARTS).join(', ')}`);
  if (values.engine !== undefined && !ENGINES.includes(values.engine))
    throw new Problem(`--engine takes ${ENGINES.join(', ')}`);
  const engines = values.engine === undefined ? ENGINES : [values.engine];
  const { next, stop } = await places({ redis: engines.includes('redis') });
  try {
    const options = {
      engines,
      next,
      seed: values.seed,
      transactions: wholeNumber(values, 'transactions'),
      times: wholeNumber(values, 'times'),
    };
    let wrong = 0;
    for (const [name, part] of Object.entries(PARTS))
      if (values.only === undefined || values.only === name) wrong += await part(options);
    if (wrong > 0) throw new Problem(`isolation: ${wrong} of the figures above are wrong`);
  } finally {
    await stop();
  }
}
