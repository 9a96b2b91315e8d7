/**
 * Actors make the calls of a scenario's transactions, in this process or in another.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const METHODS = new Set(['get', 'set', 'delete', 'keys', 'count', 'commit', 'rollback']);

/** Makes calls on one transaction at a time. `session.begin` begins it. */
export function actor(session) {
  let tx;
  return {
    async call(method, ...args) {
      if (method === 'begin') {
        tx = await session.begin();
        return undefined;
      }
      if (method === 'entries') return collect(tx.entries(...args));
      if (!METHODS.has(method)) throw new Error(`no such call: ${method}`);
      return tx[method](...args);
    },
    stop: async () => session.close?.(),
  };
}

async function collect(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

/** The same in a process of its own, on the store that `place` names. */
export async function remoteActor(place) {
  const child = fork(fileURLToPath(new URL('./actor-process.mjs', import.meta.url)), [JSON.stringify(place)], {
    serialization: 'advanced',
  });
  const waiting = new Map();
  const ended = once(child, 'exit');
  let last = 0;
  child.on('message', ({ id, value, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(Object.assign(new Error(error.message), { code: error.code }));
  });
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`The actor's process ended with ${signal ?? code}`));
  });
  return {
    call: (method, ...args) =>
      new Promise((resolve, reject) => {
        waiting.set((last += 1), { resolve, reject });
        child.send({ id: last, method, args });
      }),
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}
