// Leaves a transaction open.
import { StorageManager } from '../../helpers/entry.mjs';
import { say } from '../../helpers/child.mjs';

const storage = new StorageManager({ defaultEngine: 'memory' });
const tx = await storage.beginTransaction();
await tx.set('a', 1);
say('left open');
