// A thread that opens the engine of `workerData`, and calls the methods it is told to.
import { parentPort, workerData } from 'node:worker_threads';
import { StorageManager } from './entry.mjs';

const { name, options } = workerData;
const storage = new StorageManager({ defaultEngine: name, [name]: options });
const engine = storage.getEngine();

parentPort.on('message', async ({ id, method, args }) => {
  try {
    const target = method === 'close' ? storage : engine;
    parentPort.postMessage({ id, result: await target[method](...args) });
  } catch (error) {
    parentPort.postMessage({ id, code: error.code ?? error.stack });
  }
});
