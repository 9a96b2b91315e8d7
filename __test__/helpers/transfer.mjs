// What tests of export and import share.
import { Buffer } from 'node:buffer';
import { Writable } from 'node:stream';
import { StorageManager } from './entry.mjs';

/** The lines that an export of `from` gives. */
export async function exported(storage, from, options = {}) {
  const pieces = [];
  const target = new Writable({
    write(piece, _encoding, done) {
      pieces.push(piece);
      done();
    },
  });
  await storage.export({ format: 'jsonl', target, from, ...options });
  return Buffer.concat(pieces).toString();
}

/** A manager for engines that are given, closed after the test. */
export function managerOf(t, config = {}) {
  const storage = new StorageManager({ defaultEngine: 'memory', ...config });
  t.teardown(() => storage.close());
  return storage;
}

/** The lines of records k0000001 and so on, each in a chunk of its own. `given` counts them. */
export async function* records(count, given = {}, behind = 0) {
  for (given.count = 0; given.count < count;) {
    const number = behind + ++given.count;
    yield `{"key":"k${String(number).padStart(7, '0')}","value":${number}}\n`;
  }
}

/** A Writable that takes nothing until it is released. `taken` counts the bytes. */
export function stalled() {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const target = new Writable({
    highWaterMark: 1,
    write(piece, _encoding, done) {
      target.taken += piece.length;
      released.then(() => done());
    },
  });
  target.taken = 0;
  return { target, release };
}

/** Waits until a figure has not changed for so many turns of the event loop. */
export async function settled(figure, turns = 200) {
  let last;
  for (let quiet = 0; quiet < turns; quiet++) {
    await new Promise(setImmediate);
    if (figure() !== last) quiet = 0;
    last = figure();
  }
  return last;
}

/** Waits until something is so. */
export async function until(isSo) {
  while (!isSo()) await new Promise(setImmediate);
}
