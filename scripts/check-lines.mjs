// Fails where a line of source or prose is longer than 120 columns. The formatters wrap code alone; comments and
// Markdown are left to whoever writes them. Longer may be a row of a Markdown table, and a line that a link or a string
// makes long.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main, note, Problem, step } from './lib/console.mjs';
import { root } from './lib/paths.mjs';
import { capture } from './lib/run.mjs';

const WIDTH = 120;
const sources = /\.(rs|ts|mts|mjs|cjs|md|lua|toml)$/;
const generated = /^(index|level)\.d\.ts$/;

const holdsString = /(["'`])(?:(?!\1).){40,}/;

function mayBeLonger(file, line) {
  if (file.endsWith('.md')) return line.startsWith('|') || /https?:\/\/\S{40,}/.test(line);
  return !/^\s*(\/\/|\*|\/\*)/.test(line) && holdsString.test(line);
}

await main(() => {
  step(`Looking for lines of more than ${WIDTH} columns`);
  const listed = capture('git', ['ls-files', '--cached', '--others', '--exclude-standard']);
  if (listed === null) throw new Problem('git cannot list the files of this folder');
  const files = listed.split('\n').filter((file) => sources.test(file) && !generated.test(file));
  const long = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, at) => ([...line].length > WIDTH && !mayBeLonger(file, line) ? [`${file}:${at + 1}`] : [])),
  );
  if (long.length > 0) throw new Problem(`${long.length} lines are too long`, long.join('\n'));
  note(`${files.length} files`);
});
