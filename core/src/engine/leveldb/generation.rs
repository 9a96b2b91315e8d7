//! A generation: the column families of one content. A replacement of the content makes the next one.
//!
//! Invariants:
//!
//! - The store reads and writes its current generation. The marker in the engine's column family names it.
//! - A generation is exchanged under the writer's lock. A view is made with the generation that its snapshot belongs
//!   to: neither happens between the write of the marker and the exchange.
//! - A generation that was replaced is removed once no view and no running call has it.
//! - Generation 0 lies in column families that stay. They are emptied instead.

use std::sync::Arc;

use rocksdb::{BoundColumnFamily, DBWithThreadMode, MultiThreaded};

use super::column_families;
use super::options::NAME;
use crate::error::{Error, Result};
use crate::key::Space;

/// RocksDB, in the mode in which column families come and go while others are in use.
pub(super) type Db = DBWithThreadMode<MultiThreaded>;

/// A column family. It is dropped before its database.
pub(super) struct Family {
    pub name: String,
    pub handle: Arc<BoundColumnFamily<'static>>,
}

impl Family {
    /// Finds a column family of `db`.
    ///
    /// # Safety
    ///
    /// The family must be dropped before `db`.
    pub(super) unsafe fn find(db: &Db, name: &str) -> Result<Self> {
        let handle = db
            .cf_handle(name)
            .ok_or_else(|| Error::corrupted(format!("the store lacks the column family {name}")).in_engine(NAME))?;
        // SAFETY: the lifetime alone changes. The caller keeps the handle from outliving the database.
        let handle =
            unsafe { std::mem::transmute::<Arc<BoundColumnFamily<'_>>, Arc<BoundColumnFamily<'static>>>(handle) };
        Ok(Family { name: name.to_owned(), handle })
    }
}

pub(super) struct Generation {
    pub number: u64,
    user: Family,
    internal: Family,
    pub expiry: Family,
}

impl Generation {
    /// Finds the column families of a generation.
    ///
    /// # Safety
    ///
    /// The generation must be dropped before `db`.
    pub(super) unsafe fn find(db: &Db, number: u64) -> Result<Self> {
        let [user, internal, expiry] = column_families::names(number);
        // SAFETY: the caller keeps the families from outliving the database.
        let find = |name: String| unsafe { Family::find(db, &name) };
        Ok(Generation { number, user: find(user)?, internal: find(internal)?, expiry: find(expiry)? })
    }

    /// The column family of a keyspace.
    pub(super) fn of(&self, space: Space) -> &Family {
        match space {
            Space::User => &self.user,
            Space::Internal => &self.internal,
        }
    }

    pub(super) fn families(&self) -> [&Family; 3] {
        [&self.user, &self.internal, &self.expiry]
    }
}
