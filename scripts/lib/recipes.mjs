// The recipes of docs/bundlers.md: what stands under each heading of the third level. A block of JavaScript is a file,
// whose name is its first line, and a block of sh is run. So the page shows exactly what is tried.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './paths.mjs';
import { run } from './run.mjs';

/** The recipes by their headings, each a list of [language, text]. */
export function readRecipes(page = join(root, 'docs/bundlers.md')) {
  const sections = readFileSync(page, 'utf8').split(/^### /m).slice(1);
  return new Map(
    sections.map((section) => {
      const [text] = section.split(/^## /m);
      const blocks = [...text.matchAll(/^```(sh|js)[^\n]*\n([\s\S]*?)^```$/gm)].map(([, ...block]) => block);
      return [text.slice(0, text.indexOf('\n')), blocks];
    }),
  );
}

/** Writes the files of a recipe into `folder`, and runs its commands there. `change` may change a command. */
export async function followRecipe(blocks, folder, env, change = (command) => command) {
  for (const [language, text] of blocks) {
    if (language === 'sh') {
      await run('sh', ['-e', '-c', change(text)], { cwd: folder, env });
      continue;
    }
    const [, name] = /^\/\/ (\S+)\n/.exec(text);
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
