//! The store's counters, which all its processes share.

use super::connection::Connection;
use super::sql::Query;
use crate::error::{Error, Result};

const WHAT: &str = "cannot write";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub seq: u64,
    /// The last commit that deleted anything, by keyspace.
    pub deleted: [u64; 2],
    /// The number of changes to the standing intents.
    pub intents: u64,
}

impl Meta {
    pub(super) fn read(connection: &mut Connection) -> Result<Meta> {
        let mut row = connection.query(Query::ReadMeta, WHAT)?;
        if !row.step()? {
            return Err(Error::corrupted("the store's table of counters is empty"));
        }
        let number = |column| row.int(column).unwrap_or(0);
        Ok(Meta { seq: number(0), deleted: [number(1), number(2)], intents: number(3) })
    }

    pub(super) fn write(self, connection: &mut Connection) -> Result<()> {
        let mut statement = connection.query(Query::WriteMeta, WHAT)?;
        statement.bind_int(1, self.seq)?;
        statement.bind_int(2, self.deleted[0])?;
        statement.bind_int(3, self.deleted[1])?;
        statement.bind_int(4, self.intents)?;
        statement.run()
    }
}
