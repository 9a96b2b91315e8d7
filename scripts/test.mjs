// npm test: everything, on a fresh clone too. Installs, sets up, builds, then runs the Rust tests, the ava tests
// through the package's public entry and the type tests. All of them run even when one fails. The last lines say what
// each runner counted.
//   --only rust|js|types   runs one of them
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { main, Problem, step } from './lib/console.mjs';
import { run } from './lib/run.mjs';
import { setUp, setUpRedis } from './setup.mjs';

const sum = (output, pattern) => [...output.matchAll(pattern)].reduce((total, [, count]) => total + Number(count), 0);
// eslint-disable-next-line no-control-regex -- terminal colours
const plain = (output) => output.replace(/\u001b\[[\d;]*m/g, '');

const runners = {
  rust: {
    title: 'Rust tests (cargo test)',
    command: ['cargo', ['test', '--release', '--locked', '--workspace', '--no-fail-fast']],
    count: (output) => [
      sum(output, /^test result: .*? (\d+) passed/gm),
      sum(output, /^test result: .*? (\d+) failed/gm),
      sum(output, /^test result: .*? (\d+) ignored/gm),
    ],
  },
  js: {
    title: 'JavaScript tests through the public entry (ava)',
    command: [process.execPath, ['node_modules/ava/entrypoints/cli.mjs']],
    count: (output) => [
      sum(output, /^\s*(\d+) tests? passed/gm),
      sum(output, /^\s*(\d+) (?:tests? failed|uncaught exceptions?|unhandled rejections?|tests? remained pending)/gm),
      sum(output, /^\s*(\d+) tests? (?:skipped|todo)/gm),
    ],
  },
  types: {
    title: 'Type tests (tsc)',
    command: [process.execPath, ['scripts/test-types.mjs']],
    count: (output) => [sum(output, /^(\d+) type assertions? passed/gm), sum(output, /^(\d+) type errors?/gm)],
  },
};

await main(async () => {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  if (values.only && !(values.only in runners)) throw new Problem(`--only takes ${Object.keys(runners).join(', ')}`);
  const env = await setUp();
  if (values.only !== 'types') await setUpRedis();
  await build({ env });

  const results = [];
  for (const [name, runner] of Object.entries(runners)) {
    if (values.only && values.only !== name) continue;
    step(runner.title);
    const [command, args] = runner.command;
    const { code, output } = await run(command, args, { env, tee: true, allowFailure: true });
    const [passed, failed, skipped = 0] = runner.count(plain(output));
    results.push({ name, passed, failed: code === 0 ? failed : Math.max(failed, 1), skipped });
  }
  console.log();
  for (const { name, passed, failed, skipped } of results) {
    console.log(`${name}: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }
  const silent = results.filter(({ passed, failed }) => passed + failed === 0);
  if (silent.length > 0) throw new Problem(`no test ran in: ${silent.map(({ name }) => name).join(', ')}`);
  if (results.some(({ failed }) => failed > 0)) throw new Problem('tests failed');
});
