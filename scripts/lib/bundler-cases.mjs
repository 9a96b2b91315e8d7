// How the result of each recipe of docs/bundlers.md is run, and what it does away from node_modules:
//   by itself           it stores a record
//   with the addon      it stores a record once the addon lies beside it; before, it says that it was bundled
//   with node_modules   it stores a record where node_modules was shipped
// `entries` are further programs that the recipe is tried with in place of src/main.mjs.
const commonjs = ['src/main.cjs'];

export const cases = {
  'A CommonJS bundle with esbuild': { start: ['node', 'main.cjs'], away: 'with the addon', entries: commonjs },
  'An ES module with esbuild': { start: ['node', 'main.mjs'], away: 'with the addon', entries: commonjs },
  'A bundle that ships without node_modules': { start: ['node', 'main.mjs'], away: 'by itself' },
  'Leaving Holdfast out with esbuild': { start: ['node', 'main.mjs'], away: 'with node_modules' },
  'holdfast/level in an ES module with esbuild': { start: ['node', 'main.mjs'], away: 'with the addon' },
  'A bundle with rollup': { start: ['node', 'main.mjs'], away: 'with the addon' },
  'Leaving Holdfast out with rollup': { start: ['node', 'main.cjs'], away: 'with node_modules' },
  'A server build with Vite': { start: ['node', 'main.mjs'], away: 'with node_modules' },
  'A server build with everything in it': { start: ['node', 'main.mjs'], away: 'with the addon' },
  'A server build with everything but Holdfast in it': { start: ['node', 'main.mjs'], away: 'with node_modules' },
  'A bundle with webpack': { start: ['node', 'main.cjs'], away: 'with the addon', entries: commonjs },
  'An ES module with webpack': { start: ['node', 'main.mjs'], away: 'with the addon' },
  'Leaving Holdfast out with webpack': { start: ['node', 'main.cjs'], away: 'with node_modules' },
  'The files of a program with nft': { start: ['node', 'ENTRY'], away: 'by itself', entries: commonjs },
  'A bundle with ncc': { start: ['node', 'index.mjs'], away: 'by itself' },
  'An executable with Bun': { start: ['./main'], away: 'by itself', entries: commonjs },
  'A bundle with Bun': { start: ['bun', 'main.js'], away: 'by itself' },
  'An executable with the addon beside it': { start: ['./main'], away: 'by itself' },
  'An executable with the addon in it': { start: ['./main'], away: 'by itself' },
};

/** Those of Next, tried with each bundler: what the standalone output does away from node_modules. */
export const nextCases = {
  'Next, standalone': { away: 'by itself', bundlers: ['--turbopack'] },
  'Next, standalone, with webpack': { away: 'by itself', bundlers: ['--webpack'] },
  'Next without a configuration': { away: 'it says so', bundlers: ['--turbopack', '--webpack'] },
};
