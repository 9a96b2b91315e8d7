// Runs a command in the environment the set-up gives a build: node scripts/with-env.mjs cargo clippy --release
import { main } from './lib/console.mjs';
import { run } from './lib/run.mjs';
import { setUp } from './setup.mjs';

await main(async () => {
  const [command, ...args] = process.argv.slice(2);
  await run(command, args, { env: await setUp() });
});
