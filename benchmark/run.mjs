/**
 * `npm run bench`: Holdfast and its peers side by side in one process. See lib/options.mjs for the options.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { drawChart } from './lib/chart.mjs';
import { runChecks } from './lib/checks.mjs';
import { holdfast } from './lib/holdfast.mjs';
import { installPeers } from './lib/install.mjs';
import { machine, versions } from './lib/machine.mjs';
import { comparisons, measureFamily } from './lib/measure.mjs';
import { ENGINES, readOptions, USAGE } from './lib/options.mjs';
import { startRedis } from './lib/redis-server.mjs';
import { checkTable, comparisonTable, progressLine } from './lib/terminal.mjs';

const RESULTS = fileURLToPath(new URL('./results/', import.meta.url));
const CHART = fileURLToPath(new URL('../docs/benchmark.svg', import.meta.url));

/** The peers are imported only once they are installed. */
async function loadFamilies({ only }) {
  const wanted = ENGINES.filter((engine) => only === undefined || only === engine);
  const modules = await Promise.all(wanted.map((engine) => import(`./families/${engine}.mjs`)));
  return modules.flatMap((module) => module.default);
}

async function bench(options, folder) {
  const families = await loadFamilies(options);
  const needsRedis = families.some((family) => family.needsRedis);
  const redis = needsRedis ? await startRedis(folder) : undefined;
  const line = progressLine();
  const context = { ...options, folder, redisPort: redis?.port, withOurs: !options.peersOnly };
  const stages = families.length + (options.checks ? 1 : 0);
  try {
    const measured = [];
    for (const [i, family] of families.entries()) {
      const progress = ({ case: name, round, rounds, subject }) =>
        line.show((i + round / (rounds + 1)) / stages, family.id, `${name}, round ${round} of ${rounds}: ${subject}`);
      measured.push(await measureFamily(family, { ...context, progress }));
    }
    const rows = families.flatMap((family, i) => comparisons(family, measured[i]));
    const share = (done) => (families.length + done) / stages;
    const checks = options.checks
      ? await runChecks(context, (done, name) => line.show(share(done), 'checks', name))
      : [];
    return { measured, rows, checks };
  } finally {
    line.clear();
    await redis?.stop();
  }
}

async function report(options, { measured, rows, checks }) {
  const host = machine();
  const result = {
    date: new Date().toISOString(),
    machine: host,
    versions: versions(options),
    settings: {
      rounds: options.rounds,
      quick: options.quick,
      documentBytes: 150,
      inFlight: 500,
      unit: 'microseconds an operation, medians',
    },
    comparisons: rows,
    families: measured,
    checks,
  };
  console.log(
    `\n${host.cpu}, ${host.cores} cores, Node.js ${host.node}; medians of ${options.rounds} rounds, ratio = ours / peer\n`,
  );
  console.log(comparisonTable(rows));
  if (checks.length > 0) console.log(`\n${checkTable(checks)}`);
  const judged = [...rows, ...checks].filter(({ pass }) => pass !== undefined);
  if (judged.length > 0) console.log(`\n${judged.filter(({ pass }) => pass).length} of ${judged.length} targets met`);

  const whole = !options.quick && !options.only && !options.peersOnly && options.checks;
  const file = path.join(RESULTS, whole ? 'latest.json' : 'partial.json');
  await mkdir(RESULTS, { recursive: true });
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`Results: ${path.relative(process.cwd(), file)}`);
  if (!whole) return;
  await mkdir(path.dirname(CHART), { recursive: true });
  await writeFile(CHART, drawChart(result));
  console.log(`Chart: ${path.relative(process.cwd(), CHART)}`);
}

async function main(args) {
  const options = readOptions(args);
  if (options.help) return console.log(USAGE);
  if (globalThis.gc === undefined) {
    installPeers();
    const again = spawnSync(process.execPath, ['--expose-gc', fileURLToPath(import.meta.url), ...args], {
      stdio: 'inherit',
    });
    process.exitCode = again.status ?? 1;
    return;
  }
  if (!options.peersOnly) holdfast();
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-bench-'));
  try {
    await report(options, await bench(options, folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(
    error.code === 'MODULE_NOT_FOUND' ? `Holdfast is not built; run: npm run build\n${error.message}` : error,
  );
  process.exitCode = 1;
}
