// The package through require().
const started = performance.now();
const holdfast = require('holdfast');
const loading = performance.now() - started;
const check = require('./check.cjs');

check(holdfast, require('holdfast/level')).then(
  () => console.log(`require: ok (loaded in ${loading.toFixed(1)} ms)`),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
