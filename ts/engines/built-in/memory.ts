import { integer, oneOf } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import { NativeEngine } from './native-engine.js';
import { DURABILITY_SHAPE, EMBEDDED } from './options.js';
import type { DurabilityOptions } from './options.js';

/** Options of {@link MemoryStorage}. */
export interface MemoryStorageConfig extends DurabilityOptions {
  /**
   * The most bytes of keys and values. Over it, writes reject with NO_SPACE or old keys are dropped, as `eviction`
   * says. Default: no limit.
   */
  maxBytes?: number | undefined;
  /** `'none'` refuses writes at `maxBytes`, `'lru'` drops the keys that were unused for longest. Default: `'none'`. */
  eviction?: 'none' | 'lru' | undefined;
}

/**
 * Ordered keys in memory, with snapshots that copy nothing. Each instance is a store of its own. A disconnect keeps its
 * data.
 *
 * @example
 * const cache = new MemoryStorage({ maxBytes: 64 * 2 ** 20, eviction: 'lru' });
 * await cache.set('greeting', 'hello', { ttl: 60_000 });
 */
export class MemoryStorage extends NativeEngine<MemoryStorageConfig> {
  /** @throws StorageTypeError for an unknown option or one of a wrong type. */
  constructor(config: MemoryStorageConfig = {}) {
    checkOptions('MemoryStorage', config, {
      ...DURABILITY_SHAPE,
      maxBytes: integer(1),
      eviction: oneOf('none', 'lru'),
    });
    const { maxBytes, eviction } = config;
    const options = JSON.stringify({ maxBytes, eviction });
    super(config, { open: { engine: 'memory', options }, capabilities: EMBEDDED, keeps: true });
  }
}
