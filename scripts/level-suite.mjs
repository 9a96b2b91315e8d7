// npm run level-suite: the suite of the package abstract-level on every engine, and a table of what it says.
//   node scripts/level-suite.mjs file redis   on these alone
import { LEVEL_ENGINES, runLevelSuite } from '../__test__/helpers/level-suite.mjs';
import { main, Problem, step } from './lib/console.mjs';

await main(async () => {
  const chosen = process.argv.length > 2 ? process.argv.slice(2) : LEVEL_ENGINES;
  const unknown = chosen.filter((name) => !LEVEL_ENGINES.includes(name));
  if (unknown.length > 0)
    throw new Problem(`no such engine: ${unknown.join(', ')}`, `choose from ${LEVEL_ENGINES.join(', ')}`);
  step('Running the suite of abstract-level');
  const rows = [];
  for (const name of chosen) rows.push(await runLevelSuite(name));
  for (const { engine, failures } of rows) for (const failure of failures) console.error(`${engine}: ${failure}`);
  console.log(line('engine', 'tests', 'assertions', 'passed', 'failed', 'skipped', 'seconds'));
  for (const { engine, tests, assertions, passed, failed, skipped, seconds } of rows) {
    console.log(line(engine, tests, assertions, passed, failed, skipped, seconds.toFixed(1)));
  }
  if (rows.some(({ exit, failed, assertions, passed }) => exit !== 0 || failed > 0 || passed !== assertions))
    throw new Problem('the suite failed');
});

function line(name, ...cells) {
  return `${name.padEnd(12)}${cells.map((cell) => String(cell).padStart(12)).join('')}`;
}
