// Makes one call of an engine, and says how it ended.
import { args, codeOf, open, say } from '../../helpers/child.mjs';

const { name, options, method, given } = args;
say(await codeOf(open(name, options)[method](...given)));
