import { setImmediate as turn } from 'node:timers/promises';

/** The process's resident memory in MB, once what nobody holds is collected. */
export async function resident() {
  for (let i = 0; i < 3; i += 1) {
    await turn();
    globalThis.gc();
  }
  return process.memoryUsage.rss() / 1e6;
}

const SAMPLES = 10;

/**
 * Runs `run(count)` twice to warm up, then once in parts, and says by how much the memory grew over those: twice as
 * many calls to warm up as are then measured, after which V8's young generation has its size.
 */
export async function growth(run, count) {
  await run(2 * count);
  const samplesMB = [await resident()];
  for (let i = 0; i < SAMPLES; i += 1) {
    await run(count / SAMPLES);
    samplesMB.push(await resident());
  }
  return { growthMB: samplesMB.at(-1) - samplesMB[0], samplesMB: samplesMB.map(Math.round) };
}
