// The smallest useful program: open, set, get, list, close.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageManager } from 'holdfast';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-first-'));
const storage = new StorageManager({ file: { basePath: folder } });
const engine = storage.getEngine();

await engine.set('users/ada', { name: 'Ada', born: new Date('1815-12-10') });
await engine.set('users/alan', { name: 'Alan', born: new Date('1912-06-23') });

console.log(await engine.get('users/ada'));
console.log(await engine.keys('users/*'));

await storage.close();
rmSync(folder, { recursive: true });
