// Opens engines where no file may be opened any more, and says their errors.
import { closeSync, openSync } from 'node:fs';
import { args, say } from '../../helpers/child.mjs';
import { FileStorage, LevelDBStorage, MemoryStorage, SQLiteStorage } from '../../helpers/entry.mjs';

const { folder } = args;
await new MemoryStorage().set('a', 1); // the addon is loaded

const opened = [];
for (;;) {
  try {
    opened.push(openSync('/dev/null', 'r'));
  } catch {
    break;
  }
}
const errors = [];
for (const engine of [
  new FileStorage({ basePath: `${folder}/files` }),
  new SQLiteStorage({ path: `${folder}/a.db` }),
  new LevelDBStorage({ path: `${folder}/level` }),
]) {
  await engine.set('a', 1).catch(({ code, message }) => errors.push([engine.name, code, message]));
}
for (const file of opened) closeSync(file);
say(errors);
