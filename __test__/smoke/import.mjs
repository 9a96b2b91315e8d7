// The package through import: it must be the instance that require() gives.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as holdfast from 'holdfast';
import * as level from 'holdfast/level';
import check from './check.cjs';

const require = createRequire(import.meta.url);
const required = require('holdfast');
assert.equal(holdfast.StorageManager, required.StorageManager);
assert.deepEqual(
  Object.keys(holdfast)
    .filter((name) => name !== 'default')
    .sort(),
  Object.keys(required).sort(),
);
assert.equal(level.HoldfastLevel, require('holdfast/level').HoldfastLevel);
await check(holdfast, level);
console.log('import: ok');
