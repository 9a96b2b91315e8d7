/**
 * The milliseconds that require('holdfast') takes in this fresh process.
 */
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../package.json', import.meta.url));
const start = process.hrtime.bigint();
require('holdfast');
console.log(JSON.stringify({ ms: Number(process.hrtime.bigint() - start) / 1e6 }));
