// Commits over the custom engine and sqlite.
import { storage } from './stored-engine.mjs';

await storage.transaction(async (tx) => {
  for (const key of ['a', 'b', 'z']) await tx.set(key, 'new');
  await tx.engine('sqlite').set('c', 'new');
});
