// Stores killed, cut off from power and refused by the system at every change of the disk, and what they say afterwards.
// docs/reliability.md explains the rules. Linux x64 only.
//   --engine file,sqlite,leveldb   --level full,normal,none   --seed N   --jobs N
//   --points N   crash points, cases or failing calls of each engine and durability at most
import { join } from 'node:path';
import { Problem, step } from './console.mjs';
import { targetDir } from './paths.mjs';
import { run } from './run.mjs';
import { setUp } from '../setup.mjs';

export async function tryFaults(kind, args) {
  const env = await setUp();
  step('Building');
  await run('cargo', ['build', '--release', '--locked', '-p', 'holdfast-reliability'], { env });
  const { code } = await run(join(targetDir, 'release', 'reliability'), [kind, ...args], { env, allowFailure: true });
  if (code !== 0) throw new Problem('a promise was not kept, or the run could not be made: see above');
}
