// Calls process.exit(5) at the moment that `args.moment` names.
import { args, open } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
const exit = () => process.exit(5);

const MOMENTS = {
  'before any call': exit,
  'while it connects': () => {
    void engine.connect().catch(() => {});
    exit();
  },
  'once it is connected': async () => {
    await engine.connect();
    exit();
  },
  'with a first write in flight': () => {
    void engine.set('a', 1);
    exit();
  },
  'with an iteration and verify in flight': async () => {
    await engine.set('a', 1);
    const iterator = engine.entries();
    await iterator.next();
    void iterator.next();
    void engine.verify();
    exit();
  },
  'while it disconnects': async () => {
    await engine.set('a', 1);
    void engine.disconnect();
    exit();
  },
  'with calls in a listener of exit': async () => {
    await engine.set('a', 1);
    process.on('exit', () => {
      void engine.set('b', 2);
      if (engine.capabilities.sync) engine.getSync('a');
    });
    exit();
  },
  'once one of many writes is acknowledged': () => {
    for (let n = 0; n < 50; n++) void engine.set(`k${n}`, n).then(exit);
  },
};

await MOMENTS[args.moment]();
