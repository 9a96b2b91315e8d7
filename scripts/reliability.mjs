// npm run reliability -- NAME [options]: runs an experiment of docs/reliability.md again.
// NAME is a program of reliability/; NAME --help lists its options.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { main, Problem } from './lib/console.mjs';
import { root } from './lib/paths.mjs';

const folder = join(root, 'reliability');

await main(async () => {
  const [name, ...args] = process.argv.slice(2);
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => file.replace(/\.mjs$/, ''));
  if (!names.includes(name)) throw new Problem(`npm run reliability -- NAME takes one of ${names.join(', ')}`);
  const { run } = await import(pathToFileURL(join(folder, `${name}.mjs`)).href);
  await run(args);
});
