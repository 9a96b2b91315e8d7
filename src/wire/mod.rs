//! The text forms of requests and results, one file for each kind. `ts/native/interface.ts` describes them.

mod batch;
mod changes;
mod fields;
mod host_calls;
mod progress;
mod range;
mod results;
mod stats;

pub use batch::{batch, commit_json};
pub use changes::commits_json;
pub use fields::{keys, millis};
pub use host_calls::call_json;
pub use progress::progress_json;
pub use range::range;
pub use results::{entry_json, keys_json, page_json, values_json};
pub use stats::{capabilities_json, report_json, stats_json};
