//! The redis engine: a store on a server, where other clients read and write the same JSON text.
//!
//! One connection carries every call but scans, and so keeps calls in order (`link/`). A batch is one call of a script,
//! so it is atomic (`write.rs`, `commit/*.lua`). A batch that deletes a range of user keys takes many steps, and later
//! requests wait for it (`queue.rs`, `delete_range.rs`). A server has no snapshots: the reads of a transaction are
//! validated (`validation.rs`). Commits of all clients are told from a stream that the script writes (`feed.rs`).
//!
//! | file | what is in it |
//! |---|---|
//! | `store.rs`, `dispatch.rs`, `queue.rs` | the engine; which request is sent when |
//! | `write.rs`, `pending_write.rs`, `rows.rs`, `arguments.rs`, `script.rs` | commits: from a batch to a call |
//! | `outcome.rs` | commits: from a reply to outcomes |
//! | `delete_range.rs` | batches that delete ranges of user keys |
//! | `read.rs`, `view.rs`, `view_reader.rs`, `scan.rs`, `pool.rs`, `validation.rs` | reads |
//! | `stream.rs`, `change_log.rs`, `feed.rs` | what commits changed |
//! | `replacement/` | the replacement of the whole content |
//! | `link/` | the connection that callers share |
//! | `reply.rs`, `fault.rs` | the shapes of replies; errors |

mod arguments;
mod change_log;
mod delete_range;
mod dispatch;
mod fault;
mod feed;
mod feed_subscriber;
mod link;
mod maintenance;
mod options;
mod outcome;
mod pending_write;
mod pool;
mod queue;
mod read;
mod replacement;
mod reply;
mod rows;
mod scan;
mod script;
mod store;
mod stream;
mod validation;
mod view;
mod view_reader;
mod write;

use std::sync::Arc;

use self::options::{NAME, Settings};
use self::store::RedisStore;
use super::registry::Lease;
use crate::error::Result;

pub use options::{Availability, Listener, RedisOptions, TlsOptions};

/// Connects to a server, at most for the connect timeout, and finishes a replacement of the content that a crash has
/// interrupted. Blocks.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for options that are wrong, CONNECTION if the server cannot be reached or refuses the login,
/// `NOT_SUPPORTED` for a server older than 7.0, `UNSUPPORTED_FORMAT` if a newer version is replacing the content.
pub fn open(options: RedisOptions) -> Result<Lease> {
    let settings = Settings::new(options).map_err(|error| error.in_engine(NAME))?;
    Ok(Lease::private(Arc::new(RedisStore::open(&settings)?)))
}
