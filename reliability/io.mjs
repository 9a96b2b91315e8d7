// The n-th write or sync fails, for every n: docs/reliability.md.
import { tryFaults } from '../scripts/lib/faults.mjs';

export const run = (args) => tryFaults('io', args);
