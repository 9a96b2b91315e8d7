// Lets the n-th change of the disk fail, for every n: docs/reliability.md.
import { tryFaults } from './lib/faults.mjs';

export const run = (args) => tryFaults('io', args);
