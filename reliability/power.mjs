// Opens stores on disks as power loss may leave them: docs/reliability.md.
import { tryFaults } from './lib/faults.mjs';

export const run = (args) => tryFaults('power', args);
