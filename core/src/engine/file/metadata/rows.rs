//! Rows of the database as our types, and our types as columns.

use bytes::Bytes;
use rusqlite::Row;

use crate::engine::file::fault;
use crate::error::Result;
use crate::key::Key;
use crate::record::{Millis, Record, Version};
use crate::value::Value;

/// The part of a user's record that its file cannot hold. Valid only while the file holds the value of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sidecar {
    /// The digest of the value alone.
    pub version: Version,
    pub expires_at: Option<Millis>,
    pub metadata: Option<Bytes>,
    pub created_at: Option<Millis>,
}

/// A row of `SELECT version, expires_at, metadata, created_at FROM sidecar`.
pub(super) struct SidecarRow {
    version: String,
    expires_at: Option<Millis>,
    metadata: Option<Bytes>,
    created_at: Option<Millis>,
}

impl SidecarRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(SidecarRow {
            version: row.get(0)?,
            expires_at: millis(row, 1)?,
            metadata: bytes(row, 2)?,
            created_at: millis(row, 3)?,
        })
    }

    pub(super) fn into_sidecar(self) -> Result<Sidecar> {
        let SidecarRow { version, expires_at, metadata, created_at } = self;
        let version = Version::parse(&version).ok_or_else(|| fault::damaged_row("a version"))?;
        Ok(Sidecar { version, expires_at, metadata, created_at })
    }
}

/// The columns that [`internal_record`] reads.
pub(super) const INTERNAL_COLUMNS: &str = "key, binary, value, expires_at, metadata, created_at, updated_at";

/// A record of our own keyspace, from a row of [`INTERNAL_COLUMNS`].
pub(super) fn internal_record(row: &Row<'_>) -> rusqlite::Result<(Key, Record)> {
    let value = Bytes::from(row.get::<_, Vec<u8>>(2)?);
    let value = if row.get(1)? { Value::Binary(value) } else { Value::Json(value) };
    let expires_at = millis(row, 3)?;
    let mut record = Record {
        metadata: bytes(row, 4)?,
        created_at: millis(row, 5)?,
        updated_at: millis(row, 6)?,
        ..Record::bare(value, expires_at)
    };
    record.version = record.digest();
    Ok((key(row)?, record))
}

/// The key in the first column.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key::from(row.get::<_, Vec<u8>>(0)?))
}

/// A number as a column: SQLite's integers are signed.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Millis>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| u64::try_from(number).ok()))
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Bytes>> {
    Ok(row.get::<_, Option<Vec<u8>>>(column)?.map(Bytes::from))
}
