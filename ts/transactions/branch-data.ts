import { DATA_METHODS, refuseExtraArguments } from '../arguments/arity.js';
import { NativeData } from '../engines/data/native-data.js';

/** The data methods of one engine inside a transaction. */
export class BranchData extends NativeData {
  static {
    refuseExtraArguments(this, DATA_METHODS);
  }
}
