//! `.holdfast/store.db`, an SQLite database for what a user's files cannot hold: our own keyspace, the sidecars of user
//! keys, the file names of long keys, and the journal of a batch whose files are not all in place yet.

mod db;
mod exchange;
mod reader;
mod rows;
mod schema;
mod write_set;

pub(super) use self::db::MetadataDb;
pub(super) use self::exchange::{ExchangeError, exchange};
pub(super) use self::reader::MetadataReader;
pub(super) use self::rows::Sidecar;
pub(super) use self::schema::Format;
pub(super) use self::write_set::{JournalEntry, WriteSet};
