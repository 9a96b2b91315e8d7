/**
 * What is measured. A case gets a subject and its work and returns the microseconds one operation took.
 *
 * A subject whose API is synchronous (`sync: true`) is called as its users call it, without a promise around each result;
 * for it "one" and "many" are the same loop.
 */

const IN_FLIGHT = 500;
const BATCH = 500;

async function timed(operations, run) {
  const start = process.hrtime.bigint();
  await run();
  return Number(process.hrtime.bigint() - start) / 1000 / operations;
}

function repeat({ sync }, work, call) {
  return timed(work.order.length * work.passes, async () => {
    for (let pass = 0; pass < work.passes; pass += 1) {
      if (sync) for (const index of work.order) call(index);
      else for (const index of work.order) await call(index);
    }
  });
}

function inFlight(subject, work, call) {
  if (subject.sync) return repeat(subject, work, call);
  return timed(work.order.length * work.passes, async () => {
    for (let pass = 0; pass < work.passes; pass += 1) {
      for (let at = 0; at < work.order.length; at += IN_FLIGHT) {
        await Promise.all(work.order.slice(at, at + IN_FLIGHT).map(call));
      }
    }
  });
}

/**
 * What the current measurement writes under key `index`. `work.version` differs from one measurement to the next: a store
 * that finds a record unchanged (SQLite does) would otherwise skip the write.
 */
function written(work, index) {
  return work.documents[(index + work.version) % work.documents.length];
}

const getter = (subject, work) => (index) => subject.get(work.keys[index]);
const setter = (subject, work) => (index) => subject.set(work.keys[index], written(work, index));

export const CASES = {
  'get one': (subject, work) => repeat(subject, work, getter(subject, work)),
  'get many': (subject, work) => inFlight(subject, work, getter(subject, work)),
  'set one': (subject, work) => repeat(subject, work, setter(subject, work)),
  'set many': (subject, work) => inFlight(subject, work, setter(subject, work)),
  setMany: (subject, work) =>
    timed(work.order.length * work.passes, async () => {
      for (let pass = 0; pass < work.passes; pass += 1) {
        for (let at = 0; at < work.order.length; at += BATCH) {
          const batch = work.order.slice(at, at + BATCH).map((index) => [work.keys[index], written(work, index)]);
          await subject.setMany(batch);
        }
      }
    }),
  iterate: async (subject, work) => {
    const total = work.keys.length * work.passes;
    let seen = 0;
    const spent = await timed(total, async () => {
      for (let pass = 0; pass < work.passes; pass += 1) seen += await subject.iterate();
    });
    if (seen !== total) throw new Error(`${subject.name} iterated ${seen} entries of ${total}`);
    return spent;
  },
};

const METHOD = { 'get one': 'get', 'get many': 'get', 'set one': 'set', 'set many': 'set', setMany: 'setMany', iterate: 'iterate' };

/** Whether the subject can do the case, and the family asks for it. */
export function applies(subject, name) {
  return typeof subject[METHOD[name]] === 'function' && (subject.cases === undefined || subject.cases.includes(name));
}

/** A case's values of an async iterable of entries, read and counted as a loop in a program would. */
export async function countEntries(entries) {
  let seen = 0;
  for await (const [key, value] of entries) if (key !== undefined && value.id !== undefined) seen += 1;
  return seen;
}
