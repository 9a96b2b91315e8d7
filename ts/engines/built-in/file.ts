import { integer, oneOf, required, text } from '../../arguments/option-types.js';
import { checkOptions } from '../../arguments/options.js';
import { NativeEngine } from './native-engine.js';
import { DURABILITY_SHAPE, EMBEDDED, READ_ONLY_SHAPE, absolute } from './options.js';
import type { DurabilityOptions } from './options.js';

/** Options of {@link FileStorage}. */
export interface FileStorageConfig extends DurabilityOptions {
  /** The folder of the store. It is made, with its parents, if it is not there. */
  basePath: string;
  /** The encoding of the files' text. Default: `'utf-8'`. */
  encoding?: 'utf-8' | 'utf16le' | undefined;
  /** Only read, and make and lock nothing. Default: false. */
  readOnly?: boolean | undefined;
  /** Milliseconds to wait for another process that holds the folder, before LOCKED. Default: 0. */
  lockTimeout?: number | undefined;
}

/**
 * Each key is a `.json` file, in folders where the key has a `/`: readable and editable with any tool. One process at a
 * time uses the store; another gets LOCKED.
 *
 * @example
 * const notes = new FileStorage({ basePath: './notes' });
 * await notes.set('2026/january', { text: 'hello' }); // ./notes/2026/january.json
 */
export class FileStorage extends NativeEngine<FileStorageConfig> {
  /** @throws StorageTypeError for a missing or unknown option or one of a wrong type. */
  constructor(config: FileStorageConfig) {
    checkOptions('FileStorage', config, {
      ...DURABILITY_SHAPE,
      ...READ_ONLY_SHAPE,
      basePath: required(text),
      encoding: oneOf('utf-8', 'utf16le'),
      lockTimeout: integer(),
    });
    const { basePath, encoding, readOnly, lockTimeout, durability } = config;
    const options = JSON.stringify({ basePath: absolute(basePath), encoding, readOnly, lockTimeout, durability });
    super(config, { open: { engine: 'file', options }, capabilities: EMBEDDED, keeps: false });
  }
}
