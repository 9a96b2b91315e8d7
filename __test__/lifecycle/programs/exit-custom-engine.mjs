// Exits with calls of an engine in JavaScript in flight.
import { StorageManager } from '../../helpers/entry.mjs';
import { BareEngine } from '../../helpers/map-engine.mjs';

const engine = new StorageManager({ engines: { mine: new BareEngine() } }).getEngine('mine');
for (let n = 0; n < 100; n++) void engine.set(`k${n}`, n);
await engine.get('k5');
process.exit(3);
