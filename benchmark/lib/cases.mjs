/**
 * What is measured. A case gets a subject and its work and returns the microseconds one operation took.
 *
 * A subject whose API is synchronous (`sync: true`) is called as its users call it, without a promise around each
 * result; for it "one" and "many" are the same loop.
 */

const IN_FLIGHT = 500;
const BATCH = 500;
const TRANSACTIONS_IN_FLIGHT = 100;
const TRANSACTION_READS = 5;
const TRANSACTION_WRITES = 5;

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
 * What the current measurement writes under key `index`. `work.version` differs from one measurement to the next: a
 * store that finds a record unchanged (SQLite does) would otherwise skip the write.
 */
function written(work, index) {
  return work.documents[(index + work.version) % work.documents.length];
}

const getter = (subject, work) => (index) => subject.get(work.keys[index]);
const setter = (subject, work) => (index) => subject.set(work.keys[index], written(work, index));

/** The reads and writes of each transaction of a pass. Together they touch each key once, so that none conflicts. */
function transactions(work) {
  const size = TRANSACTION_READS + TRANSACTION_WRITES;
  const keysOf = (indexes) => indexes.map((index) => work.keys[index]);
  return Array.from({ length: Math.floor(work.order.length / size) }, (_, i) => {
    const own = work.order.slice(i * size, (i + 1) * size);
    const writes = own.slice(TRANSACTION_READS).map((index) => [work.keys[index], written(work, index)]);
    return { reads: keysOf(own.slice(0, TRANSACTION_READS)), writes };
  });
}

async function transacted(subject, work, inFlight) {
  const all = transactions(work);
  const look = (values) => {
    if (values.length !== TRANSACTION_READS || values.some((value) => value.id === undefined))
      throw new Error(`${subject.name} read something else`);
  };
  return timed(all.length, async () => {
    if (subject.sync) for (const { reads, writes } of all) look(subject.transaction(reads, writes));
    else if (inFlight === 1) for (const { reads, writes } of all) look(await subject.transaction(reads, writes));
    else {
      for (let at = 0; at < all.length; at += inFlight) {
        const results = await Promise.all(
          all.slice(at, at + inFlight).map(({ reads, writes }) => subject.transaction(reads, writes)),
        );
        results.forEach(look);
      }
    }
  });
}

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
  'tx one': (subject, work) => transacted(subject, work, 1),
  'tx many': (subject, work) => transacted(subject, work, TRANSACTIONS_IN_FLIGHT),
  'tx batch': (subject, work) =>
    timed(work.order.length, async () => {
      for (let at = 0; at < work.order.length; at += BATCH) {
        await subject.batch(
          work.order
            .slice(at, at + BATCH)
            .map((index) => ({ type: 'set', key: work.keys[index], value: written(work, index) })),
        );
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

const METHOD = {
  'get one': 'get',
  'get many': 'get',
  'set one': 'set',
  'set many': 'set',
  setMany: 'setMany',
  'tx one': 'transaction',
  'tx many': 'transaction',
  'tx batch': 'batch',
  iterate: 'iterate',
};

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
