// A thread with an open transaction and calls of it in flight, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { StorageManager } from '../../helpers/entry.mjs';

const { name, options } = workerData;
const storage = new StorageManager({ defaultEngine: name, [name]: options });
await storage.getEngine().set('before', 1);
const tx = await storage.beginTransaction();
await tx.set('a', 1);
for await (const _ of tx.entries()) break;
for (let count = 0; count < 50; count++) {
  tx.set(`b${count}`, 1);
  tx.get(`c${count}`);
  tx.keys();
}
parentPort.postMessage('ready');
setInterval(() => {}, 1000);
