/**
 * Decides when the calls of several clients happen.
 */
import { setImmediate as turn } from 'node:timers/promises';

/** All at once: calls overlap as they will, with a pause now and then so that others get in between. */
export function freely() {
  return {
    client: (random) => ({
      pause: async () => {
        if (random.chance(0.3)) await turn();
      },
      leave: () => {},
    }),
  };
}

/** One call at a time, of a client that the seed chooses: the same seed gives the same history. */
export function stepwise(random, clients) {
  let present = clients;
  const waiting = [];
  const next = () => {
    if (present === 0 || waiting.length < present) return;
    const [resolve] = waiting.splice(random.below(waiting.length), 1);
    resolve();
  };
  return {
    client: () => ({
      pause: () =>
        new Promise((resolve) => {
          waiting.push(resolve);
          next();
        }),
      leave: () => {
        present -= 1;
        next();
      },
    }),
  };
}

/** The same object, whose methods wait for their turn. They return a promise or an async iterator as before. */
export function paced(target, pause) {
  return new Proxy(target, {
    get(object, name) {
      const value = Reflect.get(object, name, object);
      if (typeof value !== 'function') return value;
      if (name === 'entries' || name === 'values') {
        return async function* entries(...args) {
          await pause();
          yield* value.apply(object, args);
        };
      }
      return async (...args) => {
        await pause();
        return value.apply(object, args);
      };
    },
  });
}
