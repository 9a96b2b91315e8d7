import { boolean, callback, either, integer, required, text } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import { callListener } from '../../errors/uncaught.js';
import { NativeEngine } from './native-engine.js';
import { DURABILITY_SHAPE, EMBEDDED, READ_ONLY_SHAPE, absolute } from './options.js';
import type { DurabilityOptions } from './options.js';

/** Options of {@link SQLiteStorage}. */
export interface SQLiteStorageConfig extends DurabilityOptions {
  /** The database file, or `':memory:'`. The file is made, with its folders, if it is not there. */
  path: string;
  /** The table of the records: letters, digits and `_`, not starting with a digit. Default: `'storage'`. */
  tableName?: string | undefined;
  /**
   * Is called with each statement, with placeholders and never values. True prints them to the console. What it throws
   * is an uncaught exception of its own. Default: false.
   */
  verbose?: boolean | ((sql: string) => void) | undefined;
  /** The number of connections that read at a time. Default: the engine's choice. */
  poolSize?: number | undefined;
  /** Milliseconds to wait for another process's write before TIMEOUT. Default: 5,000. */
  busyTimeout?: number | undefined;
  /** Only read. Default: false. */
  readOnly?: boolean | undefined;
  /** Keep an index on `updated_at` for other tools. It slows writes. Default: false. */
  indexUpdatedAt?: boolean | undefined;
}

/**
 * A table of a SQLite database (WAL mode), which other processes may share. Other libraries must not open the same file
 * in the same process: two copies of SQLite in one process would undo each other's locks.
 *
 * @example
 * const store = new SQLiteStorage({ path: './data/app.db', durability: 'normal' });
 * await store.setMany([['user:1', { name: 'Ada' }], ['user:2', { name: 'Alan' }]]);
 */
export class SQLiteStorage extends NativeEngine<SQLiteStorageConfig> {
  /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
  constructor(config: SQLiteStorageConfig) {
    checkOptions('SQLiteStorage', config, {
      ...DURABILITY_SHAPE,
      ...READ_ONLY_SHAPE,
      path: required(text),
      tableName: text,
      verbose: either(boolean, callback),
      poolSize: integer(1, 64),
      busyTimeout: integer(),
      indexUpdatedAt: boolean,
    });
    const { path, tableName, poolSize, busyTimeout, readOnly, indexUpdatedAt, durability } = config;
    const file = path === ':memory:' ? path : absolute(path);
    const options = JSON.stringify({
      path: file,
      tableName,
      poolSize,
      busyTimeout,
      readOnly,
      indexUpdatedAt,
      durability,
    });
    const open = { engine: 'sqlite', options, listener: listener(config.verbose) } as const;
    super(config, { open, capabilities: { ...EMBEDDED, multiProcess: path !== ':memory:' }, keeps: false });
  }
}

function listener(verbose: SQLiteStorageConfig['verbose']): ((sql: string) => void) | undefined {
  if (verbose === undefined || verbose === false) return undefined;
  const listen = verbose === true ? (sql: string) => console.log(sql) : verbose;
  return (sql) => callListener(listen, sql);
}
