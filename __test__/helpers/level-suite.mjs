import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../level/programs/suite.mjs', import.meta.url));
const TIMEOUT = 110_000;

/** The engines that the suite of abstract-level runs on, each in a process of its own. */
export const LEVEL_ENGINES = ['memory', 'file', 'sqlite', 'leveldb', 'redis', 'custom'];

/**
 * Runs the suite of the package abstract-level on one engine. Gives the number of its tests, the numbers of assertions
 * that passed, failed and were skipped or left to do, the failures in words, and the exit code of the process.
 */
export async function runLevelSuite(engine) {
  const started = performance.now();
  const child = spawn(process.execPath, [PROGRAM, engine], { stdio: ['ignore', 'pipe', 'inherit'], timeout: TIMEOUT });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const result = { engine, tests: 0, assertions: 0, passed: 0, failed: 0, skipped: 0, failures: [] };
  let test;
  for await (const line of createInterface({ input: child.stdout })) {
    const total = /^# (tests|pass|fail|skip|todo) +(\d+)$/.exec(line);
    if (total) count(result, total[1], Number(total[2]));
    else if (line.startsWith('# ') && line !== '# ok') {
      result.tests++;
      test = line.slice(2);
    } else if (line.startsWith('not ok')) result.failures.push(`${test}: ${line}`);
  }
  return { ...result, exit: await ended, seconds: (performance.now() - started) / 1000 };
}

function count(result, name, value) {
  if (name === 'tests') result.assertions = value;
  else if (name === 'pass') result.passed = value;
  else if (name === 'fail') result.failed = value;
  else result.skipped += value;
}
