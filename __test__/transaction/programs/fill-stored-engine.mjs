// Writes the records that commit-stored-engine.mjs changes.
import { storage } from './stored-engine.mjs';

await storage.getEngine().setMany([
  ['a', 'old'],
  ['b', 'old'],
]);
await storage.getEngine('sqlite').set('c', 'old');
