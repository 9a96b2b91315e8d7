// A thread whose custom engine never ends its first write, with 20 transactions that wait for it.
import { parentPort, workerData } from 'node:worker_threads';
import { StorageManager } from '../../helpers/entry.mjs';
import { BareEngine } from '../../helpers/map-engine.mjs';

const never = new Promise(() => {});

class HangingEngine extends BareEngine {
  set() {
    parentPort.postMessage('writing');
    return never;
  }
}

const storage = new StorageManager({
  defaultEngine: 'mine',
  engines: { mine: new HangingEngine() },
  transactions: { path: workerData.path },
});
setInterval(() => {}, 1000);
for (let n = 0; n < 20; n++) storage.transaction((tx) => tx.set(`k${n}`, 1)).catch(() => {});
