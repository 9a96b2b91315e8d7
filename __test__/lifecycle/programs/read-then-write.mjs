// Reads a store with readOnly, then tries to write to it without.
import { args, codeOf, open, say } from '../../helpers/child.mjs';

say(await open(args.name, { ...args.options, readOnly: true }).get('a'));
say(await codeOf(open(args.name, args.options).set('a', 2)));
