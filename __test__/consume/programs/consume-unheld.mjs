// Consumes with `persistent: false`.
import { StorageManager } from '../../helpers/entry.mjs';
import { say } from '../../helpers/child.mjs';

const storage = new StorageManager({ defaultEngine: 'memory' });
const consumer = storage.consume('c', '*', () => {}, { persistent: false });
await consumer.ready;
say('ready');
