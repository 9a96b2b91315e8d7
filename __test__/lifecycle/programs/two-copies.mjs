// Installs two builds of the package and opens one store through both. Says what each of them may do, in order.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { args, codeOf, say } from '../../helpers/child.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const addons = readdirSync(root).filter((name) => name.endsWith('.node'));

function install(name) {
  const folder = join(args.folder, name);
  mkdirSync(folder, { recursive: true });
  for (const part of ['dist', 'package.json', ...addons])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  // Copies of one build are one instance.
  const shared = join(folder, 'dist/shared.cjs');
  writeFileSync(shared, readFileSync(shared, 'utf8').replace('"holdfast@', `"holdfast-${name}@`));
  const { StorageManager } = createRequire(join(folder, 'package.json'))(folder);
  const open = () =>
    new StorageManager({ defaultEngine: args.name, [args.name]: args.options, retry: { attempts: 1 } }).getEngine();
  return open;
}

const openFirst = install('first');
const openSecond = install('second');

const first = openFirst();
await first.set('count', 0);
const refused = openSecond();
const error = await refused.increment('count').catch((thrown) => thrown);
say([error.code, error.message]);
say(await codeOf(refused.connect()));
await refused.disconnect();

// What the first copy has open is whole all the same.
for (let n = 0; n < 20; n++) await first.increment('count');
say(await first.get('count'));
await first.disconnect();

const second = openSecond();
await second.increment('count');
say(await codeOf(openFirst().get('count')));
await second.disconnect();
say(await openFirst().get('count'));

// Both open it at the same moment, over and over: never both at once.
const outcomes = [];
for (let round = 0; round < 30; round++) {
  const both = [openFirst(), openSecond()];
  const codes = await Promise.all(both.map((engine) => codeOf(engine.increment('count'))));
  outcomes.push(codes.filter((code) => code !== 'LOCKED').join());
  await Promise.all(both.map((engine) => engine.disconnect()));
}
say(outcomes.filter((outcome) => outcome !== 'ok'));
const last = openFirst();
say(await last.get('count'));
say((await last.verify()).ok);
await last.disconnect();
