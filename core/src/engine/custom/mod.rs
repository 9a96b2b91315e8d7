//! The custom engine: an engine of the user's own, written in JavaScript. It answers a few plain calls, one at a time,
//! and becomes an [`Engine`].
//!
//! A commit is one *step* (`client.rs`): from its begin to its end the engine answers nobody else, so checks and writes
//! belong together. Where the engine has no atomic batches, a write that fails has the writes before it undone
//! (`write.rs`). There are no snapshots: the view of a transaction counts the engine's changes, and fails with CONFLICT
//! if a read does not belong to the moment of those before it (`view.rs`). The engine has one keyspace, where both of
//! ours lie (`key_encoding.rs`).
//!
//! Two roles have no file. There is no `options.rs`: the engine has options of its own, and tells us its [`Traits`].
//! There is no `fault.rs`: its errors become ours where they leave JavaScript.

mod client;
mod host;
mod key_encoding;
mod maintenance;
mod store;
mod view;
mod write;

use std::sync::Arc;

use self::store::CustomStore;
use super::Engine;

pub use host::{Answer, Answered, Call, Host, OnAnswer, Traits, Write};
pub use key_encoding::PREFIX;

/// Makes an engine of `host`.
#[must_use]
pub fn open(host: Arc<dyn Host>) -> Arc<dyn Engine> {
    Arc::new(CustomStore::new(host))
}
