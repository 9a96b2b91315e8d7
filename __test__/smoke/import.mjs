// The package through import, which must be the very instance that require() gives.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as holdfast from 'holdfast';
import check from './check.cjs';

const required = createRequire(import.meta.url)('holdfast');
assert.equal(holdfast.StorageManager, required.StorageManager);
assert.deepEqual(Object.keys(holdfast).filter((name) => name !== 'default').sort(), Object.keys(required).sort());
await check(holdfast);
console.log('import: ok');
