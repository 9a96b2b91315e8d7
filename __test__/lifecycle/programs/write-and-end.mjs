// Writes with 100 calls in flight, says each that was acknowledged before anything else happens, and ends as
// `args.ending` tells.
import { writeSync } from 'node:fs';
import { args, open } from '../../helpers/child.mjs';

const ENDINGS = {
  'process.exit': () => process.exit(7),
  'an uncaught exception': () =>
    queueMicrotask(() => {
      throw new Error('nobody catches this');
    }),
  'an unhandled rejection': () => void Promise.reject(new Error('nobody catches this')),
  SIGKILL: () => process.kill(process.pid, 'SIGKILL'),
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
};

const engine = open(args.name, args.options);
await engine.connect();
let sent = 0;
let acknowledged = 0;

function write() {
  const number = sent++;
  const key = `k${String(number).padStart(6, '0')}`;
  const entries = [
    [key, number],
    [`half/${key}`, number],
  ];
  const done = number % 3 === 0 ? engine.setMany(entries) : engine.set(key, number);
  done.then(() => {
    writeSync(1, `${JSON.stringify(key)}\n`);
    acknowledged++;
    if (acknowledged === 60) ENDINGS[args.ending]();
    // No further writes: inline ones would leave the event loop no room for the end.
    else if (acknowledged < 60) write();
  });
}

for (let flight = 0; flight < 100; flight++) write();
