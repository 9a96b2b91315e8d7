// Reads results that are longer together than a string of JavaScript can be. Says what came of each call.
import { args, codeOf, say } from '../../helpers/child.mjs';
import { StorageManager } from '../../helpers/entry.mjs';

const options = { defaultEngine: args.name, [args.name]: args.options, maxValueBytes: 512 << 20 };
const storage = new StorageManager(options);
const engine = storage.getEngine();
const text = 'x'.repeat(60 << 20);
await engine.set('large', text);
await engine.set('small', 1);

const nine = [...Array(9).fill('large'), 'absent', 'small'];
const isWhole = (values) =>
  values.length === 11 && values.slice(0, 9).every((value) => value === text) && values[9] === null && values[10] === 1;
const [values, small] = await Promise.all([engine.getMany(nine), engine.get('small')]);
say([isWhole(values), small]);
const snapshot = await engine.snapshot();
say(isWhole(await snapshot.getMany(nine)));
await snapshot.close();
say(isWhole(await storage.transaction((tx) => tx.getMany(nine))));

if (!args.whole) {
  await storage.close();
  process.exit();
}

// As base64 it is longer than a string can be, and no part of it is a value.
await engine.delete('large');
await engine.set('buffer', Buffer.alloc(400 << 20));
const again = await engine.snapshot();
const calls = [
  engine.getMany(['buffer']),
  again.getMany(['buffer']),
  engine.getEntry('buffer'),
  (async () => {
    for await (const entry of engine.entries()) if (entry[0] === 'none') break;
  })(),
  engine.get('small'),
  again.get('small'),
  again.has('buffer'),
];
say(await Promise.all(calls.map(codeOf)));
const error = await again.getMany(['buffer']).catch((thrown) => thrown);
say([error.message, error.operation]);
say((await engine.get('buffer')).length);
await again.close();
await storage.close();
say('ended');
