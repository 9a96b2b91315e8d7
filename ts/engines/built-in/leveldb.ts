import { integer, oneOf, required, text } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import { NativeEngine } from './native-engine.js';
import { DURABILITY_SHAPE, EMBEDDED, READ_ONLY_SHAPE, absolute } from './options.js';
import type { DurabilityOptions } from './options.js';

/** Options of {@link LevelDBStorage}. */
export interface LevelDBStorageConfig extends DurabilityOptions {
  /** The folder of the store. It is made, with its parents, if it is not there. */
  path: string;
  /** The bytes of the cache of blocks read from disk. Default: the engine's choice. */
  cacheSize?: number | undefined;
  /** The compression of blocks on disk. Default: the engine's choice. */
  compression?: 'none' | 'snappy' | 'lz4' | 'zstd' | undefined;
  /** Bits per key of the bloom filter, which saves reads of absent keys; 0: no filter. Default: the engine's choice. */
  bloomBits?: number | undefined;
  /** Only read. Default: false. */
  readOnly?: boolean | undefined;
  /** Milliseconds to wait for another process that holds the folder, before LOCKED. Default: 0. */
  lockTimeout?: number | undefined;
}

/**
 * A RocksDB store: the fastest for much data on disk. One process at a time uses it; another gets LOCKED. A folder that
 * LevelDB itself wrote is refused with UNSUPPORTED_FORMAT.
 *
 * @example
 * const store = new LevelDBStorage({ path: './data/level', compression: 'lz4' });
 * for await (const key of store.keysIterator({ prefix: 'log:' })) console.log(key);
 */
export class LevelDBStorage extends NativeEngine<LevelDBStorageConfig> {
  /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
  constructor(config: LevelDBStorageConfig) {
    checkOptions('LevelDBStorage', config, {
      ...DURABILITY_SHAPE,
      ...READ_ONLY_SHAPE,
      path: required(text),
      cacheSize: integer(0),
      compression: oneOf('none', 'snappy', 'lz4', 'zstd'),
      bloomBits: integer(0, 64),
      lockTimeout: integer(),
    });
    const { path, cacheSize, compression, bloomBits, readOnly, lockTimeout, durability } = config;
    const options = JSON.stringify({
      path: absolute(path),
      cacheSize,
      compression,
      bloomBits,
      readOnly,
      lockTimeout,
      durability,
    });
    super(config, { open: { engine: 'leveldb', options }, capabilities: EMBEDDED, keeps: false });
  }
}
