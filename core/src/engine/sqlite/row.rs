//! A row as a record, and back.

use bytes::Bytes;
use rusqlite::ffi;

use super::connection::Connection;
use super::sql::{Point, Query};
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, Version};
use crate::value::{Kind, Value, validate};

/// The key of the row; `None` if another program stored what is no key of the keyspace.
pub(super) fn key(row: &Statement<'_>, space: Space) -> Option<Key> {
    let bytes = row.bytes(0);
    let is_key = match space {
        Space::User => row.kind(0) == ffi::SQLITE_TEXT && std::str::from_utf8(bytes).is_ok(),
        Space::Internal => row.kind(0) == ffi::SQLITE_BLOB,
    };
    is_key.then(|| Key::copy_from_slice(bytes))
}

pub(super) fn expires_at(row: &Statement<'_>) -> Option<Millis> {
    row.int(1)
}

pub(super) fn expired(row: &Statement<'_>, now: Millis) -> bool {
    expires_at(row).is_some_and(|at| at <= now)
}

/// The value of the row. Fails with CORRUPTED, with the key, where `type` and `value` do not fit.
pub(super) fn value(row: &Statement<'_>) -> Result<Value> {
    let kind = std::str::from_utf8(row.bytes(3)).map_or(Kind::Json, Kind::from_column);
    let bytes = Bytes::copy_from_slice(row.bytes(2));
    if kind == Kind::Buffer && row.kind(2) == ffi::SQLITE_BLOB {
        return Ok(Value::Binary(bytes));
    }
    Value::from_column(kind, bytes).map_err(|error| error.at_key(row.bytes(0)))
}

/// The record of the row. If another program wrote the row, the version is a digest of its content.
pub(super) fn record(row: &Statement<'_>) -> Result<Record> {
    let value = value(row)?;
    let expires_at = expires_at(row);
    let metadata = match row.kind(6) {
        ffi::SQLITE_NULL => None,
        _ => {
            let metadata = Bytes::copy_from_slice(row.bytes(6));
            validate(&metadata)
                .map_err(|_| Error::corrupted("the metadata column is not JSON").at_key(row.bytes(0)))?;
            Some(metadata)
        }
    };
    let (created_at, updated_at) = (row.int(4), row.int(5));
    let mut record = Record { created_at, updated_at, metadata, ..Record::bare(value, expires_at) };
    record.version = row.int(7).map_or_else(|| record.digest(), Version::of_commit);
    Ok(record)
}

/// Writes a record. It keeps the created time of a live record that it replaces.
pub(super) fn put(connection: &mut Connection, space: Space, key: &Key, record: &Record) -> Result<()> {
    write(connection, Point::Put, space, key, record, record.updated_at)
}

/// Writes a record of a replacement, with its own times.
pub(super) fn stage(connection: &mut Connection, space: Space, key: &Key, record: &Record) -> Result<()> {
    write(connection, Point::Stage, space, key, record, record.created_at)
}

fn write(
    connection: &mut Connection,
    point: Point,
    space: Space,
    key: &Key,
    record: &Record,
    time: Option<Millis>,
) -> Result<()> {
    let (kind, column) = record.value.to_column();
    let mut statement = connection.query(Query::Point(point, space), "cannot write")?;
    statement.bind_key(1, space, key)?;
    match record.value {
        Value::Binary(_) => statement.bind_blob(2, &column)?,
        Value::Json(_) => statement.bind_text(2, &column)?,
    }
    statement.bind_text(3, kind.as_str().as_bytes())?;
    statement.bind_optional(4, time)?;
    if let Some(metadata) = &record.metadata {
        statement.bind_text(5, metadata)?;
    }
    statement.bind_optional(6, record.version.seq())?;
    statement.bind_optional(7, record.expires_at)?;
    if point == Point::Stage {
        statement.bind_optional(8, record.updated_at)?;
    }
    statement.run()
}
