// Prints how many files of abstract-level, or of the entry for it, the root entry loads.
require('holdfast');
console.log(Object.keys(require.cache).filter((file) => /abstract-level|level\.cjs/.test(file)).length);
