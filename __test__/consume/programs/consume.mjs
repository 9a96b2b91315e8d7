// Consumes `k*`, and says each key. Writes k0 to k3 and says `written` unless `quiet`, and hangs at the key `hangsAt`.
import { StorageManager } from '../../helpers/entry.mjs';
import { args, say } from '../../helpers/child.mjs';

const { name, config, hangsAt, quiet, sessionTimeout = 30_000 } = args;
const storage = new StorageManager({ defaultEngine: name, [name]: config });
const consumer = storage.consume(
  'c',
  'k*',
  async ([{ key }]) => {
    say(key);
    if (key === hangsAt) await new Promise(() => {});
  },
  { sessionTimeout },
);
await consumer.ready;
say('ready');
if (!quiet) {
  for (let n = 0; n < 4; n++) await storage.getEngine().set(`k${n}`, n);
  say('written');
}
let state = consumer.state;
setInterval(() => {
  if (consumer.state === state) return;
  state = consumer.state;
  if (state === 'standby') say(state);
}, 5);
