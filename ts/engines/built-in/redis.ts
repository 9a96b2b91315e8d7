import { boolean, integer, section, string, text, wellFormed } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import { StorageTypeError } from '../../errors/storage-error.js';
import { NativeEngine } from './native-engine.js';
import { DURABILITY_SHAPE } from './options.js';
import type { DurabilityOptions } from './options.js';

/** The certificates of a {@link RedisStorage} and those that it trusts. Certificates and keys are PEM texts. */
export interface RedisTlsOptions {
  /** The certificates to trust instead of the public ones. */
  ca?: string | undefined;
  /** The client's certificate. */
  cert?: string | undefined;
  /** The client's private key. */
  key?: string | undefined;
  /** Whether the server's certificate is checked. Default: true. */
  rejectUnauthorized?: boolean | undefined;
  /** The name that the server's certificate must have. Default: the host. */
  serverName?: string | undefined;
}

/** Options of {@link RedisStorage}: a `url`, or `host` and the others. */
export interface RedisStorageConfig extends DurabilityOptions {
  /** `redis://[[user]:password@]host[:port][/db]`, or `rediss://` for TLS. Not together with `host`. */
  url?: string | undefined;
  /** The server. Default: `'127.0.0.1'`. */
  host?: string | undefined;
  /** The server's port. Default: 6379. */
  port?: number | undefined;
  /** The user's name. Default: the server's default user. */
  username?: string | undefined;
  /** The password. It is never printed. */
  password?: string | undefined;
  /** The number of the database. Default: 0. */
  db?: number | undefined;
  /** Use TLS, with the options of an object. Default: false, or what `url` says. */
  tls?: boolean | RedisTlsOptions | undefined;
  /** A prefix of every key on the server, which separates this store from others there. Default: `''`. */
  keyPrefix?: string | undefined;
  /** The most milliseconds to connect, before CONNECTION. Default: the engine's choice. */
  connectTimeout?: number | undefined;
  /** The most milliseconds of a command, before TIMEOUT. Default: the engine's choice. */
  commandTimeout?: number | undefined;
  /**
   * Further connections for scans, at most 64. The first scan makes them; 0: scans use the one connection. Default: 1.
   */
  poolSize?: number | undefined;
  /** Keep `createdAt` and `updatedAt` of every key. It costs time and memory. Default: false. */
  timestamps?: boolean | undefined;
}

const TLS = { ca: string, cert: string, key: string, rejectUnauthorized: boolean, serverName: text };

/**
 * Keys on a Redis server, each under its own name, so that other clients can read them. A lost connection is made
 * again.
 *
 * @example
 * const store = new RedisStorage({ url: process.env.REDIS_URL, keyPrefix: 'app:' });
 * await store.increment('visits');
 */
export class RedisStorage extends NativeEngine<RedisStorageConfig> {
  /** @throws StorageTypeError for an unknown option, one of a wrong type, or `url` together with `host`. */
  constructor(config: RedisStorageConfig = {}) {
    checkOptions('RedisStorage', config, {
      ...DURABILITY_SHAPE,
      url: text,
      host: text,
      port: integer(1, 65_535),
      username: wellFormed,
      password: wellFormed,
      db: integer(0, 2 ** 31 - 1),
      tls: typeof config?.tls === 'object' ? section(TLS) : { ...boolean, expected: 'a boolean or an object' },
      keyPrefix: wellFormed,
      connectTimeout: integer(),
      commandTimeout: integer(),
      poolSize: integer(0, 64),
      timestamps: boolean,
    });
    const {
      url,
      host,
      port,
      username,
      password,
      db,
      tls,
      keyPrefix,
      connectTimeout,
      commandTimeout,
      poolSize,
      timestamps,
    } = config;
    if (url !== undefined && host !== undefined)
      throw new StorageTypeError('Expected one of the options url and host of RedisStorage, got both');
    const options = JSON.stringify({
      url,
      host,
      port,
      username,
      password,
      db,
      tls,
      keyPrefix,
      connectTimeout,
      commandTimeout,
      poolSize,
      timestamps,
    });
    super(config, {
      open: { engine: 'redis', options },
      capabilities: {
        snapshots: false,
        atomicBatch: true,
        atomicClear: false,
        timestamps: timestamps === true,
        watch: 'shared',
        multiProcess: true,
        sync: false,
      },
      keeps: false,
    });
  }
}
