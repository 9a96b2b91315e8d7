import type { access } from '../../internal.js';
import type { PageContent } from '../../native/interface.js';
import type { ModelCall, ModelCallOptions } from '../../native/model-call.js';
import type { InnerRange } from '../../range/range.js';
import type { StorageIterator } from '../../types.js';
import type { CheckedOptions } from '../../watch/options.js';
import type { WatchSource } from '../../watch/source.js';
import type { DataMethods } from '../contract.js';

/** The calls that models make besides the data methods. Ranges are checked already. */
export interface Access {
  keys(range: InnerRange, signal?: AbortSignal): Promise<string[]>;
  count(range: InnerRange, signal?: AbortSignal): Promise<number>;
  /** Keys come without their first `strip` units. */
  iterate<T>(range: InnerRange, what: PageContent, strip: number, signal?: AbortSignal): StorageIterator<T>;
  /** Removes the keys of a range, in one step where the engine can. */
  clear(range: InnerRange, signal?: AbortSignal): Promise<void>;
  /** The most bytes of an encoded value. */
  maxValueBytes(): number;
  /** Calls a model of the core (`core/src/model/request.rs`). The answer is a text, or a stream for such a request. */
  model(operation: string, request: object, options: ModelCallOptions): Promise<string | ModelCall>;
  /** Absent inside a transaction. Keys come without their first `strip` units. */
  watch?<T>(range: InnerRange, strip: number, options: CheckedOptions): WatchSource<T>;
}

/** Data methods with the access that models need: those of an engine or of a transaction. */
export interface AccessibleData extends DataMethods {
  readonly [access]: Access;
}
