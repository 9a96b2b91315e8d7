// Makes each call when the one before is answered. Only the calls keep the process alive: nothing awaits them.
import { args, open, say } from '../../helpers/child.mjs';

const engine = open(args.name, args.options);
engine
  .set('a', 1)
  .then(() => engine.get('a'))
  .then((value) => {
    say(value);
    return engine.setMany([['b', 2]]);
  })
  .then(() => engine.entries().next())
  .then(({ value }) => {
    say(value);
    return engine.verify();
  })
  .then(({ ok }) => say(ok));
