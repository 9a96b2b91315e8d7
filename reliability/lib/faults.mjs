// Builds the crate reliability/faults and runs one of its experiments with the given options.
import { join } from 'node:path';
import { Problem, step } from '../../scripts/lib/console.mjs';
import { targetDir } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/run.mjs';
import { setUp } from '../../scripts/setup.mjs';

/** `kind` is kill, power or io; `args` are the options that `npm run reliability -- kill --help` lists. */
export async function tryFaults(kind, args) {
  const env = await setUp();
  step('Building');
  await run('cargo', ['build', '--release', '--locked', '-p', 'holdfast-reliability'], { env });
  const { code } = await run(join(targetDir, 'release', 'reliability'), [kind, ...args], { env, allowFailure: true });
  if (code !== 0) throw new Problem('a promise was not kept, or the run could not be made: see above');
}
