// Generated from ts/ by `npm run build:ts`. Do not edit: change ts/ and build again.
import { Buffer } from 'node:buffer';
import { AbstractLevel, AbstractDatabaseOptions } from 'abstract-level';
import { StorageEngine, Engine } from './index.js';

/** Options of a {@link HoldfastLevel}: its own and those of every `abstract-level` database. */
interface HoldfastLevelOptions<KDefault = string, VDefault = string> extends AbstractDatabaseOptions<KDefault, VDefault> {
    /**
     * The folder of the engine that holds the database, without a `/` at its end. Databases with different prefixes do
     * not see each other, except that a prefix `p/q` lies inside `p` as a folder does. Default: `'level'`.
     */
    prefix?: string | undefined;
}
/**
 * An `abstract-level` 3 database in a folder of an engine, for programs and modules written for `level`,
 * `classic-level` or `memory-level`. Text keys and string values lie in the engine as they are, other values as
 * Buffers.
 *
 * `close()` closes this handle and leaves the engine as it is. `open()`, or another handle with the same prefix, finds
 * the data again. Where the engine has no snapshots, `supports.implicitSnapshots` and `supports.explicitSnapshots` are
 * false. An error of the engine gets the code that `abstract-level` has for it, such as LEVEL_LOCKED or
 * LEVEL_CORRUPTION, and is its `cause`.
 *
 * @typeParam KDefault - The type of keys, by `keyEncoding`.
 * @typeParam VDefault - The type of values, by `valueEncoding`.
 * @example
 * const db = new HoldfastLevel(storage.getEngine('sqlite'), { valueEncoding: 'json' });
 * await db.put('ada', { born: 1815 });
 * for await (const [name, { born }] of db.iterator({ gte: 'a' })) console.log(name, born);
 * await db.close();
 */
declare class HoldfastLevel<KDefault = string, VDefault = string> extends AbstractLevel<string | Buffer, KDefault, VDefault> {
    #private;
    /**
     * @param engine - An engine, also one of your own.
     * @param options - The prefix, and options of `abstract-level` such as `keyEncoding` and `valueEncoding`.
     * @throws StorageTypeError if `engine` is no engine or the prefix is no string; StorageError INVALID_KEY for a prefix
     * that is empty, holds a lone surrogate or belongs to a model.
     */
    constructor(engine: StorageEngine, options?: HoldfastLevelOptions<KDefault, VDefault>);
    /** The engine. For one of your own it is the wrapper. */
    get engine(): Engine;
    /** The prefix of the engine's keys of this database, such as `'level/'`. */
    get location(): string;
}

export { HoldfastLevel };
export type { HoldfastLevelOptions };
