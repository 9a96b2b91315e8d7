import type { PageContent } from '../../native/interface.js';
import type { InnerRange } from '../../range/range.js';
import type { StorageIterator } from '../../types.js';
import type { CheckedOptions } from '../../watch/options.js';
import type { WatchSource } from '../../watch/source.js';
import type { DataMethods } from '../contract.js';
import { accessOfData } from './native-data.js';

/** What the models need of a store besides its public methods. Ranges are checked already. */
export interface Access {
  keys(range: InnerRange): Promise<string[]>;
  count(range: InnerRange): Promise<number>;
  /** Keys come without their first `strip` units. */
  iterate<T>(range: InnerRange, what: PageContent, strip: number): StorageIterator<T>;
  /** Removes the keys of a range, in one step where the engine can. */
  clear(range: InnerRange): Promise<void>;
  /** Absent inside a transaction. Keys come without their first `strip` units. */
  watch?<T>(range: InnerRange, strip: number, options: CheckedOptions): WatchSource<T>;
}

// Beside the objects, not in them: it is no part of what users see.
const accesses = new WeakMap<object, Access>();

export function grantAccess(store: DataMethods, access: Access): void {
  accesses.set(store, access);
}

export function accessOf(store: object): Access | undefined {
  return accesses.get(store) ?? accessOfData(store);
}
