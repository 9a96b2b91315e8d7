/**
 * Runs one family: opens every subject, fills it, checks that it gives back what it was given, then measures round by
 * round.
 *
 * Within a round each case runs on every subject in turn before the next case starts, and the order of subjects
 * rotates, so a disturbance of the machine hits all alike. The first round warms up and is dropped.
 */
import { deepStrictEqual } from 'node:assert';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { CASES, applies } from './cases.mjs';
import { dataset } from './documents.mjs';

const FILL_BATCH = 500;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function fill(subject, { keys, documents }) {
  for (let at = 0; at < keys.length; at += FILL_BATCH) {
    const entries = keys.slice(at, at + FILL_BATCH).map((key, i) => [key, documents[at + i]]);
    if (subject.setMany) await subject.setMany(entries);
    else await Promise.all(entries.map(([key, value]) => subject.set(key, value)));
  }
}

async function check(subject, { keys, documents }) {
  for (const index of [0, keys.length >> 1, keys.length - 1]) {
    const value = await subject.get(keys[index]);
    deepStrictEqual(value, documents[index], `${subject.name} gave back another value for ${keys[index]}`);
  }
}

async function openSubjects(family, { folder, redisPort, data, withOurs }) {
  const chosen = withOurs ? [family.ours, ...family.peers] : family.peers;
  const opened = [];
  try {
    for (const [slot, description] of chosen.entries()) {
      const home = path.join(folder, `${family.id}-${slot}`.replace(/\W+/g, '-'));
      await mkdir(home, { recursive: true });
      const subject = { ...description, ...(await description.open({ folder: home, redisPort, slot })) };
      opened.push(subject);
      await fill(subject, data);
      await check(subject, data);
    }
  } catch (error) {
    await closeSubjects(opened);
    throw error;
  }
  return opened;
}

async function closeSubjects(subjects) {
  for (const subject of subjects) await subject.close();
}

/**
 * @returns for each subject and case the samples of the measured rounds, in microseconds an operation
 */
export async function measureFamily(family, { rounds, scale, folder, redisPort, withOurs, progress }) {
  const data = dataset(Math.max(500, Math.round((family.keys ?? 20_000) * scale)));
  const subjects = await openSubjects(family, { folder, redisPort, data, withOurs });
  const operations = Math.max(500, Math.round((family.operations ?? data.keys.length) * scale));
  const work = { ...data, order: data.order.slice(0, operations), passes: family.passes ?? 1, version: 0 };
  const samples = new Map();
  try {
    for (let round = 0; round <= rounds; round += 1) {
      for (const [name, run] of Object.entries(CASES)) {
        if (!family.cases.includes(name)) continue;
        work.version += 1;
        for (let turn = 0; turn < subjects.length; turn += 1) {
          const subject = subjects[(turn + round) % subjects.length];
          if (!applies(subject, name)) continue;
          progress({ family, case: name, round, rounds, subject: subject.name });
          globalThis.gc?.();
          const spent = await run(subject, work);
          if (round === 0) continue;
          const cell = `${subject.name}\n${name}`;
          samples.set(cell, [...(samples.get(cell) ?? []), spent]);
        }
      }
    }
  } finally {
    await closeSubjects(subjects);
  }
  return summary(family, data.keys.length, operations, samples);
}

function summary(family, keys, operations, samples) {
  const results = [...samples].map(([cell, values]) => {
    const [subject, name] = cell.split('\n');
    const round3 = (value) => Number(value.toFixed(3));
    return {
      subject,
      case: name,
      median: round3(median(values)),
      fastest: round3(Math.min(...values)),
      slowest: round3(Math.max(...values)),
    };
  });
  return { id: family.id, engine: family.engine, durability: family.durability, keys, operations, results };
}

/** Every comparison of our engine with a peer, in the order of the table: ratio below 1 means ours is faster. */
export function comparisons(family, measured) {
  const at = (subject, name) => measured.results.find((r) => r.subject === subject && r.case === name)?.median;
  const rows = [];
  for (const peer of family.peers) {
    for (const name of family.cases) {
      const theirs = at(peer.name, name);
      if (theirs === undefined) continue;
      const ours = at(family.ours.name, name);
      const target = peer.targets?.[name];
      const ratio = ours === undefined ? undefined : ours / theirs;
      const pass = target === undefined || ratio === undefined ? undefined : ratio <= target;
      rows.push({
        engine: family.engine,
        durability: family.durability,
        peer: peer.name,
        case: name,
        ours,
        theirs,
        ratio,
        target,
        pass,
      });
    }
  }
  return rows;
}
