// kill -9 at every change of the disk: docs/reliability.md.
import { tryFaults } from '../scripts/lib/faults.mjs';

export const run = (args) => tryFaults('kill', args);
