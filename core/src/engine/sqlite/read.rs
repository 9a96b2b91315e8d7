//! Reads through any connection, in the transaction that is open or in one of their own.

use std::ops::Bound;

use super::connection::Connection;
use super::row;
use super::sql::{End, Point, Query, Shape, Span};
use super::statement::Statement;
use crate::engine::{Gathering, Item, Page, Projection, Read, Reply};
use crate::error::Result;
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, now};
use crate::value::Value;

const WHAT: &str = "cannot read";

/// A page passes over at most this many rows, so that a page of a sparse pattern stays short.
const MAX_STEPS: usize = 65_536;

pub(super) fn value(connection: &mut Connection, space: Space, key: &[u8], now: Millis) -> Result<Option<Value>> {
    let mut row = connection.query(Query::Point(Point::Get, space), WHAT)?;
    row.bind_key(1, space, key)?;
    if !row.step()? || row::expired(&row, now) {
        return Ok(None);
    }
    row::value(&row).map(Some)
}

pub(super) fn has(connection: &mut Connection, space: Space, key: &[u8], now: Millis) -> Result<bool> {
    let mut row = connection.query(Query::Point(Point::Has, space), WHAT)?;
    row.bind_key(1, space, key)?;
    Ok(row.step()? && !row::expired(&row, now))
}

/// The record of a key, expired or not.
pub(super) fn record(connection: &mut Connection, space: Space, key: &[u8]) -> Result<Option<Record>> {
    let mut row = connection.query(Query::Point(Point::Record, space), WHAT)?;
    row.bind_key(1, space, key)?;
    if row.step()? { row::record(&row).map(Some) } else { Ok(None) }
}

/// Answers a request. Several keys are read in one transaction.
pub(super) fn answer(connection: &mut Connection, read: &Read) -> Result<Reply> {
    let now = now();
    Ok(match read {
        Read::Get(space, key) => Reply::Value(value(connection, *space, key, now)?),
        Read::Entry(space, key) => Reply::Entry(record(connection, *space, key)?.filter(|record| !record.expired(now))),
        Read::Has(space, key) => Reply::Has(has(connection, *space, key, now)?),
        Read::Many(space, keys) => Reply::Values(in_transaction(connection, |connection| {
            keys.iter().map(|key| value(connection, *space, key, now)).collect()
        })?),
    })
}

/// Runs `reads` in a transaction of their own, unless one is open already.
pub(super) fn in_transaction<T>(
    connection: &mut Connection,
    reads: impl FnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    if connection.in_transaction() {
        return reads(connection);
    }
    connection.query(Query::Begin, WHAT)?.run()?;
    let result = reads(connection);
    connection.roll_back();
    result
}

/// The commit number of the database as the connection sees it.
pub(super) fn seq(connection: &mut Connection) -> Result<u64> {
    let mut row = connection.query(Query::ReadMeta, WHAT)?;
    Ok(if row.step()? { row.int(0).unwrap_or(0) } else { 0 })
}

/// True if a record of the keyspace has expired by `now`.
pub(super) fn any_expired(connection: &mut Connection, space: Space, now: Millis) -> Result<bool> {
    let mut row = connection.query(Query::Point(Point::AnyExpired, space), "cannot look for expired records")?;
    row.bind_int(1, now)?;
    row.step()
}

/// One page of a scan.
pub(super) fn scan(
    connection: &mut Connection,
    space: Space,
    range: &KeyRange,
    what: Projection,
    after: Option<&[u8]>,
    max_bytes: usize,
) -> Result<Page> {
    let now = now();
    let rest = after.map(|key| range.after(key));
    let interval = rest.as_ref().unwrap_or(range);
    let mut page = Gathering::new(max_bytes);
    if interval.is_empty() {
        return Ok(page.last());
    }
    let mut rows = spanning(connection, what.into(), space, interval, WHAT)?;
    let filtered = !range.is_interval();
    // The last key that was passed over behind the last entry.
    let mut passed = None;
    for _ in 0..MAX_STEPS {
        match rows.step() {
            Ok(true) => {}
            Ok(false) => return Ok(page.last()),
            Err(error) => return page.stopped_by(error),
        }
        let Some(key) = row::key(&rows, space) else { continue };
        if row::expired(&rows, now) || filtered && !range.selects(&key) {
            passed = Some(key);
            continue;
        }
        passed = None;
        let item = match what {
            Projection::Keys => Ok(Item::Key),
            Projection::Values => row::value(&rows).map(Item::Value),
            Projection::Records => row::record(&rows).map(|record| Item::Record(Box::new(record))),
        };
        match item {
            Ok(item) => page.push(key, item),
            Err(error) => return page.stopped_by(error),
        }
        if page.is_full() {
            break;
        }
    }
    Ok(match passed {
        Some(key) => page.continued_behind(key),
        None => page.continued(),
    })
}

/// The keys that a range selects, expired ones among them, in no order.
pub(super) fn keys(connection: &mut Connection, space: Space, range: &KeyRange) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    if range.is_empty() {
        return Ok(keys);
    }
    let mut rows = spanning(connection, Span::from(Projection::Keys), space, range, WHAT)?;
    while rows.step()? {
        keys.extend(row::key(&rows, space).filter(|key| range.selects(key)));
    }
    Ok(keys)
}

/// The number of live keys in an interval.
pub(super) fn count(connection: &mut Connection, space: Space, interval: &KeyRange) -> Result<u64> {
    if interval.is_empty() {
        return Ok(0);
    }
    let mut row = spanning(connection, Span::Count, space, interval, WHAT)?;
    row.bind_int(3, now())?;
    Ok(if row.step()? { row.int(0).unwrap_or(0) } else { 0 })
}

/// A statement over an interval, with the bounds bound.
pub(super) fn spanning<'c>(
    connection: &'c mut Connection,
    span: Span,
    space: Space,
    interval: &'c KeyRange,
    what: &'static str,
) -> Result<Statement<'c>> {
    let (start, start_excluded): (&[u8], bool) = match &interval.start {
        Bound::Unbounded => (b"", false),
        Bound::Included(key) => (key, false),
        Bound::Excluded(key) => (key, true),
    };
    let (end, kind) = match &interval.end {
        Bound::Unbounded => (None, End::None),
        Bound::Included(key) => (Some(key), End::Included),
        Bound::Excluded(key) => (Some(key), End::Excluded),
    };
    let shape = Shape { start_excluded, end: kind, reverse: interval.reverse };
    let mut statement = connection.query(Query::Span(span, space, shape), what)?;
    statement.bind_key(1, space, start)?;
    if let Some(end) = end {
        statement.bind_key(2, space, Key::as_ref(end))?;
    }
    Ok(statement)
}
