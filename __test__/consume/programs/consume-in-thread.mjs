// Consumes in a thread, and posts when it is at work and each key.
import { parentPort, workerData } from 'node:worker_threads';
import { StorageManager } from '../../helpers/entry.mjs';

const { name, config } = workerData;
const storage = new StorageManager({ defaultEngine: name, [name]: config });
const consumer = storage.consume('c', '*', ([{ key }]) => parentPort.postMessage(key), { sessionTimeout: 1000 });
await consumer.ready;
parentPort.postMessage('ready');
