// Kills a workload with SIGKILL at every change of the disk: docs/reliability.md.
import { tryFaults } from './lib/faults.mjs';

export const run = (args) => tryFaults('kill', args);
