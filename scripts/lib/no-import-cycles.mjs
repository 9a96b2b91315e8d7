// An ESLint rule: no file imports itself through other files. `import type` counts, because a circle of types is a
// circle of files for the reader. eslint-plugin-import has such a rule, which resolves every package; this one follows
// relative paths alone.
import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';

const IMPORT = /\bfrom '(\.[^']+)\.js'/g;
const known = new Map();

function importsOf(file) {
  if (!known.has(file)) {
    const paths = [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, path]) => path);
    known.set(file, new Set(paths.map((path) => resolve(dirname(file), `${path}.ts`))));
  }
  return known.get(file);
}

/** The shortest path of imports from a file back to it; undefined if there is none. */
export function circleOf(file) {
  const importerOf = new Map();
  const queue = [file];
  for (const importer of queue) {
    for (const imported of importsOf(importer)) {
      if (importerOf.has(imported)) continue;
      importerOf.set(imported, importer);
      queue.push(imported);
    }
  }
  if (!importerOf.has(file)) return undefined;
  const path = [file];
  for (let at = importerOf.get(file); at !== file; at = importerOf.get(at)) path.unshift(at);
  return [file, ...path];
}

export default {
  meta: { type: 'problem', schema: [] },
  create(context) {
    return {
      Program(node) {
        const circle = circleOf(context.filename)?.map((file) => relative(context.cwd, file));
        if (circle !== undefined) context.report({ node, message: `Circle of imports: ${circle.join(' -> ')}` });
      },
    };
  },
};
