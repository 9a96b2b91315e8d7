// npm run demo: from a fresh clone to real data in every engine, with one command.
import { build } from './build.mjs';
import { main, note, step } from './lib/console.mjs';
import { run } from './lib/run.mjs';
import { installCommand } from './lib/advice.mjs';
import { installRedis, setUp } from './setup.mjs';

await main(async () => {
  console.log(
    'Holdfast: this installs what is needed into this folder, builds the addon, and runs examples/quickstart on real data.',
  );
  await build({ env: await setUp() });
  if (!process.env.REDIS_URL && !(await installRedis()))
    note(`no redis-server on PATH, so Redis is left out; to add it: ${installCommand('redis')}`);
  step('Storing films and flights in every engine, reading them back and comparing each value');
  await run(process.execPath, ['examples/quickstart/index.mjs', ...process.argv.slice(2)]);
});
