// A program written for Level, on an engine of Holdfast: sublevels, an atomic batch over them, a range, a snapshot.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQLiteStorage } from 'holdfast';
import { HoldfastLevel } from 'holdfast/level';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-level-'));
const engine = new SQLiteStorage({ path: join(folder, 'app.db') });
const db = new HoldfastLevel(engine);

const people = db.sublevel('people', { valueEncoding: 'json' });
const byYear = db.sublevel('by-year');
const add = (id, name, born) =>
  db.batch([
    { type: 'put', sublevel: people, key: id, value: { name, born } },
    { type: 'put', sublevel: byYear, key: `${born}/${id}`, value: id },
  ]);

await add('ada', 'Ada Lovelace', 1815);
await add('alan', 'Alan Turing', 1912);
await add('grace', 'Grace Hopper', 1906);

const snapshot = db.snapshot();
await db.clear();
for await (const id of byYear.values({ gte: '1900', snapshot })) console.log(await people.get(id, { snapshot }));
await snapshot.close();
await db.close(); // the engine stays open: it was made here

await engine.set('note', 'written without Level');
console.log(await engine.keys());
await engine.disconnect();
rmSync(folder, { recursive: true });
