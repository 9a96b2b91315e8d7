//! The column families of a store.

use rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

use crate::key::Space;

/// The user's keyspace: RocksDB's default column family.
pub(super) const USER: &str = DEFAULT_COLUMN_FAMILY_NAME;
/// Our keyspace.
pub(super) const INTERNAL: &str = "internal";
/// What the engine keeps for itself: the format marker and the expiry index.
pub(super) const ENGINE: &str = "engine";

pub(super) const ALL: [&str; 3] = [USER, INTERNAL, ENGINE];

/// The column family of a keyspace.
pub(super) fn of(space: Space) -> &'static str {
    match space {
        Space::User => USER,
        Space::Internal => INTERNAL,
    }
}
