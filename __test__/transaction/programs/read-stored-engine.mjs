// Says the records of both engines, and the recoveries on the custom one.
import { say } from '../../helpers/child.mjs';
import { storage } from './stored-engine.mjs';

const recovered = [];
storage.on('recovered', (engine, { undone }) => recovered.push([engine, undone]));
say([await storage.getEngine().getMany(['a', 'b', 'z']), await storage.getEngine('sqlite').get('c')]);
say(recovered.filter(([engine]) => engine === 'mine'));
await storage.close();
