// Loads the root entry, and prints how many files of abstract-level and of the entry for it are loaded with it.
require('holdfast');
console.log(Object.keys(require.cache).filter((file) => /abstract-level|level\.cjs/.test(file)).length);
