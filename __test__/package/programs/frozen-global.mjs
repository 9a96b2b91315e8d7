// Loads two copies of the package where globalThis is frozen. It must not import the package by its name before.
import { createRequire } from 'node:module';
import { join } from 'node:path';

Object.freeze(globalThis);
const require = createRequire(import.meta.url);
const { first, second } = JSON.parse(process.argv[2]);
const copies = [first, second].map((folder) => require(join(folder, 'dist/index.cjs')));
const values = [];
for (const { MemoryStorage } of copies) {
  const engine = new MemoryStorage();
  await engine.set('a', 1);
  values.push(await engine.get('a'));
}
console.log(JSON.stringify({ same: copies[0].MemoryStorage === copies[1].MemoryStorage, values }));
