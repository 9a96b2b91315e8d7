/**
 * Sessions on a real engine whose transactions are broken on purpose: some of their calls go to the engine itself.
 */
const READS = ['get', 'getMany', 'getEntry', 'keys', 'count', 'entries'];
const WRITES = ['set', 'setMany', 'batch', 'delete', 'increment', 'compareAndSet'];

/** Calls that go past the transaction, and the anomalies that they have to lead to. */
export const PAST = {
  'reads go past the transaction': { calls: READS, finds: ['lost update', 'internal', 'G2'] },
  'listings go past the transaction': { calls: ['keys', 'count', 'entries'], finds: ['G2'] },
  'writes go past the transaction': { calls: WRITES, finds: ['G1a', 'G1b', 'lost update'] },
};

export function breakSession({ begin, engine, clear }, calls) {
  const broken = (tx) =>
    new Proxy(tx, {
      get(_, name) {
        const target = calls.includes(name) ? engine : tx;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return {
    engine,
    begin: async (options) => broken(await begin(options)),
    clear: (_, folder) => clear(engine, folder),
  };
}
