// Imports many records of 2,000 bytes and exports them again. Says what went through, and by how many bytes the process
// grew at most.
import { Writable } from 'node:stream';
import { args, say } from '../../helpers/child.mjs';
import { StorageManager } from '../../helpers/entry.mjs';

const { name, options, count } = args;
const storage = new StorageManager({ defaultEngine: name, [name]: options });
await storage.getEngine().set('first', 1);
const text = 'x'.repeat(2000);
const before = process.memoryUsage.rss();
let most = 0;
const look = () => (most = Math.max(most, process.memoryUsage.rss() - before));

async function* source() {
  for (let given = 0; given < count; given += 100) {
    let chunk = '';
    for (let at = 0; at < 100; at++) chunk += `{"key":"k${given + at}","value":"${text}"}\n`;
    if (given % 5000 === 0) look();
    yield chunk;
  }
}

const { imported } = await storage.import({ format: 'jsonl', source: source(), to: name });
let bytes = 0;
const target = new Writable({
  write(piece, _encoding, done) {
    bytes += piece.length;
    look();
    setImmediate(done);
  },
});
const { exported } = await storage.export({ format: 'jsonl', target });
look();
say({ imported, exported, bytes, most });
await storage.close();
