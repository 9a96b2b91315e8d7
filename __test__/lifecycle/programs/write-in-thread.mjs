// A thread that writes with 50 calls in flight until it is terminated. `counter` counts the writes that were
// acknowledged, in order.
import { workerData } from 'node:worker_threads';
import { StorageManager } from '../../helpers/entry.mjs';

const { name, options, counter, thread } = workerData;
const engine = new StorageManager({ defaultEngine: name, [name]: options }).getEngine();
const acknowledged = new Int32Array(counter);
let sent = 0;

function write() {
  const number = sent++;
  engine.set(`${thread}/${String(number).padStart(6, '0')}`, number).then(() => {
    Atomics.add(acknowledged, 0, 1);
    write();
  });
  engine.get(`${thread}/000000`).catch(() => {});
}

await engine.connect();
for (let flight = 0; flight < 50; flight++) write();
