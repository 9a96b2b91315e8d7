import { ENGINE_NAMES, onEach } from './engines.mjs';

/** The next `count` events of a watch. */
export async function take(watch, count) {
  const events = [];
  while (events.length < count) {
    const { value, done } = await watch.next();
    if (done) throw new Error(`the watch ended after ${events.length} events`);
    events.push(value);
  }
  return events;
}

/** An event without the fields that differ from store to store. */
export const plain = ({ type, key, value, range }) =>
  JSON.parse(
    JSON.stringify({
      type,
      ...(key !== undefined && { key }),
      ...(value !== undefined && { value }),
      ...(range !== undefined && { range }),
    }),
  );

/** Like `onEach`, for the engines that can be watched. An engine that cannot has to say so instead. */
export function onEachWatched(title, run, names = ENGINE_NAMES) {
  onEach(
    title,
    async (t, engine, context) => {
      await engine.connect();
      if (engine.capabilities.watch !== 'none') return run(t, engine, context);
      await t.throwsAsync(engine.watch().next(), { code: 'NOT_SUPPORTED' });
    },
    names,
  );
}
