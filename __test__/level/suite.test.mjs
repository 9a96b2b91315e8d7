// The suite of the package abstract-level for its implementations, on every engine.
import test from 'ava';
import { LEVEL_ENGINES, runLevelSuite } from '../helpers/level-suite.mjs';

// The suite runs its tests of snapshots only where the manifest says that there are snapshots.
const least = { redis: 1300, custom: 1300 };

for (const engine of LEVEL_ENGINES) {
  test.serial(`${engine}: passes the suite of abstract-level`, async (t) => {
    t.timeout(120_000);
    const { exit, tests, assertions, passed, failed, skipped, failures } = await runLevelSuite(engine);
    t.log(`${engine}: ${tests} tests, ${passed} assertions passed, ${failed} failed, ${skipped} skipped`);
    t.deepEqual(failures, []);
    t.deepEqual({ exit, failed, skipped, passed }, { exit: 0, failed: 0, skipped: 0, passed: assertions });
    t.true(tests >= (least[engine] ?? 1400), `only ${tests} tests were run`);
  });
}

test.serial('the suite of abstract-level catches a broken engine', async (t) => {
  const { exit, passed, failed, failures } = await runLevelSuite('broken');
  t.log(`broken: ${passed} assertions passed, ${failed} failed`);
  t.is(exit, 1);
  t.true(failed > 100);
  t.is(failures.length, failed);
});
