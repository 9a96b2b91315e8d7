// Says whether the change log of an sqlite store ends within about a minute, read with SQLite itself where Node has it.
import { args, say } from '../../helpers/child.mjs';

const { DatabaseSync } = await import('node:sqlite').catch(() => ({}));
if (DatabaseSync === undefined) say('no reader');
else {
  const query = "SELECT expires_at FROM storage_internal WHERE key = x'006c6f67'";
  const { expires_at: end } = new DatabaseSync(args.options.path).prepare(query).get();
  say(end - Date.now() < 61_000);
}
