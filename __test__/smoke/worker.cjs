const { parentPort } = require('node:worker_threads');
const check = require('./check.cjs');
const holdfast = require('holdfast');
const level = require('holdfast/level');

check(holdfast, level).then(async () => {
  parentPort.postMessage('checked');
  // Termination has to find calls in flight.
  const storage = new holdfast.StorageManager({ memory: {} });
  const memory = storage.getEngine('memory');
  for (let n = 0; ; n += 1) await memory.set(`k${n % 100}`, n);
});
