//! The text forms of requests and results, one file for each kind. `ts/native/interface.ts` describes them.

mod batch;
mod changes;
mod fields;
mod host_calls;
mod progress;
mod range;
mod results;
mod stats;

pub(crate) use batch::{batch, commit_json};
pub(crate) use changes::commits_json;
pub(crate) use fields::{keys, millis};
pub(crate) use host_calls::call_json;
pub(crate) use progress::progress_json;
pub(crate) use range::range;
pub(crate) use results::{entry_json, keys_json, page_json, values_json};
pub(crate) use stats::{capabilities_json, report_json, stats_json};
