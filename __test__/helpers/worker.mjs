// A thread of the tests: it opens the engine of `workerData` and carries out what it is told, or writes until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import * as holdfast from './entry.mjs';

const { name, options, counter, thread } = workerData;
const storage = new holdfast.StorageManager({ defaultEngine: name, [name]: options });
const engine = storage.getEngine();

if (counter !== undefined) {
  // Keeps many calls in flight, and counts the writes that were acknowledged, in order.
  const acknowledged = new Int32Array(counter);
  let sent = 0;
  const write = () => {
    const number = sent++;
    engine.set(`${thread}/${String(number).padStart(6, '0')}`, number).then(() => {
      Atomics.add(acknowledged, 0, 1);
      write();
    });
    engine.get(`${thread}/000000`).catch(() => {});
  };
  await engine.connect();
  for (let flight = 0; flight < 50; flight++) write();
} else {
  parentPort.on('message', async ({ id, method, args }) => {
    try {
      const target = method === 'close' ? storage : engine;
      parentPort.postMessage({ id, result: await target[method](...args) });
    } catch (error) {
      parentPort.postMessage({ id, code: error.code ?? error.stack });
    }
  });
}
