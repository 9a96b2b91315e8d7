// Fuzzing: feeds anything to each reader of bytes for a while, and says how often and what was found. Needs a nightly
// compiler and cargo-fuzz (rustup toolchain install nightly; cargo install cargo-fuzz --locked).
//   --seconds N   for each target, 60 unless given; the corpus in core/fuzz/corpus is kept and gone on with
//   --target T    one target only
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, Problem, step } from './lib/console.mjs';
import { root, targetDir } from './lib/paths.mjs';
import { capture, run } from './lib/run.mjs';

const folder = join(root, 'core', 'fuzz');
const allTargets = readdirSync(join(folder, 'fuzz_targets'))
  .map((name) => name.replace(/\.rs$/, ''))
  .sort();

// A target folder of its own, or the sanitiser's flags would have every build compile everything again.
const env = { ...process.env, CARGO_TARGET_DIR: join(targetDir, 'fuzz') };
const fuzz = (action, target, extra = []) => ['+nightly', 'fuzz', action, '--fuzz-dir', folder, target, ...extra];

/** What libFuzzer wrote of its run: executions, the edges it reached, and the inputs it kept as findings. */
function read(output) {
  const last = (pattern) => [...output.matchAll(pattern)].at(-1)?.[1];
  return {
    executions: Number(last(/stat::number_of_executed_units:\s*(\d+)/g) ?? last(/^#(\d+)\s/gm) ?? 0),
    edges: Number(last(/ cov: (\d+)/g) ?? 0),
    findings: [...output.matchAll(/Test unit written to (\S+)/g)].map(([, path]) => path),
  };
}

await main(async () => {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, target: { type: 'string' } } });
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1) throw new Problem('--seconds takes a whole number of at least 1');
  if (values.target && !allTargets.includes(values.target))
    throw new Problem(`--target takes ${allTargets.join(', ')}`);
  if (!capture('cargo', ['+nightly', 'fuzz', '--version'], { env })) {
    throw new Problem('fuzzing needs: rustup toolchain install nightly; cargo install cargo-fuzz --locked');
  }
  const targets = values.target ? [values.target] : allTargets;
  const results = [];
  for (const target of targets) {
    step(`fuzzing ${target}`);
    await run('cargo', fuzz('build', target), { env });
    const limits = [
      '--',
      `-max_total_time=${seconds}`,
      '-print_final_stats=1',
      '-timeout=10',
      '-verbosity=1',
      '-reload=0',
    ];
    const { code, output } = await run('cargo', fuzz('run', target, limits), { env, tee: true, allowFailure: true });
    const result = { target, ...read(output), code };
    if (code !== 0 && result.executions === 0) throw new Problem(`${target} did not run`);
    results.push(result);
  }
  console.log();
  for (const { target, executions, edges, findings, code } of results) {
    const found = code === 0 ? 'nothing found' : `FOUND: ${findings.join(', ') || `ended with ${code}`}`;
    console.log(
      `${target.padEnd(10)} ${executions.toLocaleString('en').padStart(12)} executions, ${String(edges).padStart(5)} edges, ${found}`,
    );
  }
  if (results.some(({ code }) => code !== 0)) throw new Problem('fuzzing found something; the inputs are named above');
});
