// A thread with exports and imports under way until it is terminated. It says when all of them are.
import { Writable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { StorageManager } from '../../helpers/entry.mjs';

const { name, options, round } = workerData;
const storage = new StorageManager({ defaultEngine: name, [name]: options });
let waiting = 0;

function ready() {
  if (++waiting === 20) parentPort.postMessage('ready');
}

async function* source(number) {
  for (let n = 0; ; n++) {
    if (n === 100) ready();
    yield `{"key":"thread${round}/${number}/${n}","value":${n}}\n`.repeat(10);
  }
}

await storage.getEngine().set(`thread${round}`, 'x'.repeat(1000));
for (let number = 0; number < 10; number++) {
  void storage.import({ format: 'jsonl', source: source(number), to: name });
  let seen = false;
  const target = new Writable({
    highWaterMark: 1,
    write(_piece, _encoding, done) {
      if (!seen) ready();
      seen = true;
      setTimeout(done, 1);
    },
  });
  void storage.export({ format: 'jsonl', target });
}
