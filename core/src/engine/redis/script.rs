//! Batches that depend on what keys hold, as one call of a script: conditions, counters, metadata, times, and
//! ranges of the internal keyspace.

use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use super::fault::{ENGINE, refused, unexpected};
use super::layout::{Layout, expiry, internal_text, version, version_of_write};
use super::link::{Link, Settle, What};
use super::resp::{Resp, arg, arg_parts, command, pack};
use crate::batch::{Batch, Check, Commit, Op, Outcome, RangeCheck};
use crate::engine::{Done, Reply};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Version, now};
use crate::value::Value;

/// A script and the name the server keeps it under.
pub struct Script {
    pub source: &'static str,
    pub sha: LazyLock<String>,
}

/// The one script that commits.
pub static COMMIT: Script = Script {
    source: include_str!("commit.lua"),
    sha: LazyLock::new(|| sha1_smol::Sha1::from(include_str!("commit.lua")).digest().to_string()),
};

/// The server refuses a command of more arguments than about a million.
const MAX_ARGS: usize = 1_000_000;

/// Keys and rows of a script call, while they are put together.
#[derive(Default)]
struct Rows {
    keys: Vec<u8>,
    key_count: usize,
    args: Vec<u8>,
    arg_count: usize,
}

impl Rows {
    fn key(&mut self, layout: &Layout, key: &[u8]) {
        arg_parts(&mut self.keys, &[&layout.prefix, key]);
        self.key_count += 1;
    }

    fn arg(&mut self, bytes: &[u8]) {
        arg(&mut self.args, bytes);
        self.arg_count += 1;
    }

    /// The name of a row for the keyspace, and the key where it belongs.
    fn row(&mut self, layout: &Layout, space: Space, user: &str, internal: &str, key: &[u8]) {
        match space {
            Space::User => {
                self.arg(user.as_bytes());
                self.key(layout, key);
            }
            Space::Internal => {
                self.arg(internal.as_bytes());
                self.arg(key);
            }
        }
    }
}

/// Sends `batch`, which must have no `DeleteRange` of the user keyspace, over `link`.
pub fn submit(link: &Arc<Link>, layout: &Layout, stamped: bool, batch: Batch, done: Done) {
    let rows = rows(layout, &batch, stamped);
    if rows.arg_count + rows.key_count > MAX_ARGS {
        let message = "a batch with conditions has at most about a million parts on redis; split it";
        return done(Err(Error::new(Code::ValueTooLarge, message).in_engine(ENGINE)));
    }
    let rows = Bytes::from(finish(&rows, layout));
    let write = !batch.ops.is_empty();
    let again = (Arc::downgrade(link), rows.clone());
    let settle: Settle = Box::new(move |replies| match replies.map(|mut replies| replies.pop()) {
        // The server has forgotten the script: nothing was done yet, and the source says it all again.
        Ok(Some(Resp::Error(text))) if text.starts_with(b"NOSCRIPT") => {
            let (link, rows) = again;
            let Some(link) = link.upgrade() else { return done(Err(super::closed())) };
            let settle: Settle = Box::new(move |replies| {
                done(replies.and_then(|mut replies| outcome(&batch, replies.pop())).map(Reply::Commit));
            });
            link.submit(What::Packed { bytes: eval(b"EVAL", COMMIT.source, &rows), replies: 1, write, settle });
        }
        Ok(reply) => done(outcome(&batch, reply).map(Reply::Commit)),
        Err(error) => done(Err(error)),
    });
    link.submit(What::Packed { bytes: eval(b"EVALSHA", &COMMIT.sha, &rows), replies: 1, write, settle });
}

/// A script call: how many arguments, which script, and what `finish` made. The count of arguments leads.
fn eval(how: &[u8], script: &str, rows: &[u8]) -> Bytes {
    let (count, rest) = rows.split_at_checked(8).unwrap_or((&[], rows));
    let count = count.try_into().map_or(0, u64::from_le_bytes);
    let mut bytes = Vec::with_capacity(rest.len() + script.len() + 64);
    command(&mut bytes, usize::try_from(count).unwrap_or(0) + 2);
    arg(&mut bytes, how);
    arg(&mut bytes, script.as_bytes());
    bytes.extend_from_slice(rest);
    bytes.into()
}

/// Everything behind the script's name: number of keys, keys, arguments; before it, how many that are.
fn finish(rows: &Rows, layout: &Layout) -> Vec<u8> {
    let keys = rows.key_count + 4;
    let count = (1 + keys + rows.arg_count) as u64;
    let mut bytes = count.to_le_bytes().to_vec();
    arg(&mut bytes, keys.to_string().as_bytes());
    for name in [&layout.seq, &layout.companions, &layout.names, &layout.values] {
        arg(&mut bytes, name);
    }
    bytes.extend_from_slice(&rows.keys);
    bytes.extend_from_slice(&rows.args);
    bytes
}

fn rows(layout: &Layout, batch: &Batch, stamped: bool) -> Rows {
    let mut rows = Rows::default();
    rows.arg(layout.prefix.len().to_string().as_bytes());
    rows.arg(now().to_string().as_bytes());
    rows.arg(if stamped { b"1" } else { b"0" });
    for Check { space, key, version } in &batch.checks {
        rows.row(layout, *space, "check", "check internal", key);
        rows.arg(version.map(|version| version.to_string()).unwrap_or_default().as_bytes());
    }
    for RangeCheck { since, .. } in &batch.range_checks {
        rows.arg(b"check range");
        rows.arg(since.to_string().as_bytes());
    }
    for (index, op) in batch.ops.iter().enumerate() {
        match op {
            Op::Set { space, key, value, expires_at, metadata } => {
                rows.row(layout, *space, "set", "set internal", key);
                match space {
                    Space::User => {
                        rows.arg(&value.to_text());
                        rows.arg(expires_at.map(|at| expiry(at).to_string()).unwrap_or_default().as_bytes());
                        rows.arg(metadata.as_deref().unwrap_or_default());
                    }
                    Space::Internal => rows.arg(&internal_text(value, *expires_at, metadata.as_ref())),
                }
            }
            Op::Add { space, key, by, expires_at, metadata } => {
                rows.row(layout, *space, "add", "add internal", key);
                rows.arg(&Value::from_number(*by).to_text());
                rows.arg(expires_at.map(|at| expiry(at).to_string()).unwrap_or_default().as_bytes());
                rows.arg(metadata.as_deref().unwrap_or_default());
            }
            Op::Delete { space, key } => rows.row(layout, *space, "delete", "delete internal", key),
            Op::DeleteRange { range, .. } => {
                if range.is_empty() {
                    continue;
                }
                let (low, high) = lex_bounds(range);
                rows.arg(b"clear internal");
                rows.arg(&low);
                rows.arg(&high);
                let before = batch.ops.get(..index).unwrap_or_default();
                let written: Vec<&Key> = before
                    .iter()
                    .filter_map(Op::key)
                    .filter(|(space, key)| *space == Space::Internal && range.contains(key))
                    .map(|(_, key)| key)
                    .collect();
                rows.arg(written.len().to_string().as_bytes());
                written.iter().for_each(|key| rows.arg(key));
            }
        }
    }
    rows
}

/// The ends of a range as ZRANGE BYLEX takes them.
#[must_use]
pub fn lex_bounds(range: &KeyRange) -> (Vec<u8>, Vec<u8>) {
    let end = |bound: &Bound<Key>, open: &[u8]| match bound {
        Bound::Unbounded => open.to_vec(),
        Bound::Included(key) => [b"[", key.as_ref()].concat(),
        Bound::Excluded(key) => [b"(", key.as_ref()].concat(),
    };
    (end(&range.start, b"-"), end(&range.end, b"+"))
}

fn outcome(batch: &Batch, reply: Option<Resp>) -> Result<Commit> {
    let items = match reply {
        Some(Resp::Array(items)) => items,
        Some(Resp::Error(text)) => return Err(refused(&text)),
        _ => return Err(unexpected()),
    };
    let mut items = items.into_iter();
    let Some(Resp::Int(first)) = items.next() else { return Err(unexpected()) };
    let conditions = batch.checks.len() + batch.range_checks.len();
    let failed_row = |items: &mut dyn Iterator<Item = Resp>| match items.next() {
        Some(Resp::Int(row)) => Some(usize::try_from(row).unwrap_or(0).saturating_sub(1)),
        _ => None,
    };
    // A commit number is positive but where nothing was ever committed, which no row goes with.
    if first <= 0
        && let Some(row) = failed_row(&mut items)
    {
        return Err(match (batch.checks.get(row), first) {
            (Some(check), 0) => Error::conflict(&check.key).in_engine(ENGINE),
            (None, 0) => {
                Error::new(Code::Conflict, "a key of a range that was read may have changed").in_engine(ENGINE)
            }
            _ => not_a_number(batch, row.saturating_sub(conditions)),
        });
    }
    let seq = u64::try_from(first).map_err(|_| unexpected())?;
    let mut outcomes = Vec::new();
    for op in &batch.ops {
        let outcome = match op {
            Op::Set { space, value, expires_at, metadata, .. } => {
                if !batch.report {
                    continue;
                }
                let version = version_of_write(*space, value, *expires_at, metadata.as_ref()).ok_or_else(unexpected)?;
                Outcome::Set { version }
            }
            Op::Add { space, .. } => added(*space, items.next(), items.next())?,
            Op::Delete { .. } => Outcome::Deleted { existed: items.next() == Some(Resp::Int(1)) },
            Op::DeleteRange { .. } => Outcome::Cleared,
        };
        if batch.report {
            outcomes.push(outcome);
        }
    }
    Ok(Commit { seq, outcomes })
}

fn not_a_number(batch: &Batch, row: usize) -> Error {
    // Empty ranges have no row.
    let rows = batch.ops.iter().filter(|op| !matches!(op, Op::DeleteRange { range, .. } if range.is_empty()));
    let error = Error::new(Code::InvalidArgument, "increment needs a number, the key holds another type");
    match rows.clone().nth(row).and_then(Op::key) {
        Some((_, key)) => error.at_key(key).in_engine(ENGINE),
        None => error.in_engine(ENGINE),
    }
}

/// The sum and the version of an addition: for a user key its text and expiry, else its text and version.
fn added(space: Space, text: Option<Resp>, more: Option<Resp>) -> Result<Outcome> {
    let (Some(Resp::Bulk(text)), Some(Resp::Bulk(more))) = (text, more) else { return Err(unexpected()) };
    let more = std::str::from_utf8(&more).map_err(|_| unexpected())?;
    let version = match space {
        Space::User if more.is_empty() => version(&text, None),
        Space::User => version(&text, Some(more.parse().map_err(|_| unexpected())?)),
        Space::Internal => Version::parse(more),
    };
    let value = Value::Json(text).as_number().ok_or_else(unexpected)?;
    Ok(Outcome::Added { value, version: version.ok_or_else(unexpected)? })
}

/// A command of one script, packed whole.
#[must_use]
pub fn run_once(source: &str, keys: &[&[u8]], args: &[&[u8]]) -> Vec<u8> {
    let count = keys.len().to_string();
    let mut parts: Vec<&[u8]> = vec![b"EVAL", source.as_bytes(), count.as_bytes()];
    parts.extend(keys);
    parts.extend(args);
    let mut bytes = Vec::new();
    pack(&mut bytes, &parts);
    bytes
}
