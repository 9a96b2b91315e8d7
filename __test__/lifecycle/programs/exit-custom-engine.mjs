// Exits with calls of a custom engine in flight.
import { StorageManager } from '../../helpers/entry.mjs';
import { BareEngine } from '../../helpers/map-engine.mjs';

const engine = new StorageManager({ engines: { mine: new BareEngine() } }).getEngine('mine');
for (let n = 0; n < 100; n++) void engine.set(`k${n}`, n);
await engine.get('k5');
process.exit(3);
