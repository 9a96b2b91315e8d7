// Worker threads started and terminated in a loop, each with calls in flight; the addon must survive every one of them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as holdfast from 'holdfast';
import * as level from 'holdfast/level';
import check from './check.cjs';

const rounds = 20;
for (let round = 0; round < rounds; round += 1) {
  const pair = [0, 1].map(() => new Worker(new URL('./worker.cjs', import.meta.url)));
  await Promise.all(
    pair.map(async (worker) => {
      const [message] = await once(worker, 'message');
      assert.equal(message, 'checked');
      await worker.terminate();
    }),
  );
}
await check(holdfast, level);
console.log(`workers: ok (${2 * rounds} started and terminated)`);
