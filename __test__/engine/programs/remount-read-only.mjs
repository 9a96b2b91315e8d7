// Makes a store, makes its disk read-only, then opens it without and with readOnly. Says how each call ended.
import { execFileSync } from 'node:child_process';
import { args, codeOf, open, say } from '../../helpers/child.mjs';

const { name, folder, option, place } = args;
const options = { [option]: `${folder}/${place}` };

let engine = open(name, options);
await engine.set('a', 1);
await engine.disconnect();
execFileSync('mount', ['-o', 'remount,bind,ro', folder]);
say(await codeOf(open(name, options).get('a')));
say(await codeOf(open(name, { ...options, [option]: `${folder}/new` }).set('a', 1)));

engine = open(name, { ...options, readOnly: true });
say(await engine.get('a'));
say(await engine.keys());
for (const write of [
  engine.set('a', 2),
  engine.delete('a'),
  engine.clear(),
  engine.setMany([['b', 1]]),
  engine.increment('a'),
  engine.compareAndSet('b', null, 1),
]) {
  say(await codeOf(write));
}
say((await engine.verify()).ok);
await engine.disconnect();
