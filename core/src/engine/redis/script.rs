//! Batches that depend on what keys hold, as one call of a script: conditions, counters, metadata, times, and
//! ranges of the internal keyspace.

use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use redis::{Arg, Cmd, Pipeline, ServerErrorKind, ToRedisArgs, Value as Answer};

use super::fault::{ENGINE, refused, unexpected};
use super::layout::{Layout, expiry, internal_text, version, version_of_write};
use super::link::{Link, Settle, What};
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
struct Rows {
    keys: Cmd,
    args: Cmd,
}

impl Rows {
    fn arg(&mut self, arg: impl ToRedisArgs) {
        self.args.arg(arg);
    }

    /// A call of a script: by its source, or by the name the server keeps it under.
    fn call(&self, how: &str, script: &str) -> Pipeline {
        let mut call = redis::cmd(how);
        call.arg(script).arg(self.keys.args_iter().len());
        for arg in self.keys.args_iter().chain(self.args.args_iter()) {
            if let Arg::Simple(bytes) = arg {
                call.arg(bytes);
            }
        }
        let mut pipe = redis::pipe();
        pipe.add_command(call);
        pipe
    }

    /// The name of a row for the keyspace, and the key where it belongs.
    fn row(&mut self, layout: &Layout, space: Space, user: &str, internal: &str, key: &[u8]) {
        match space {
            Space::User => {
                self.arg(user);
                self.keys.arg(layout.name(key));
            }
            Space::Internal => {
                self.arg(internal);
                self.arg(key);
            }
        }
    }
}

/// Sends `batch`, which must have no `DeleteRange` of the user keyspace, over `link`.
pub fn submit(link: &Arc<Link>, layout: &Layout, stamped: bool, batch: Batch, done: Done) {
    let rows = rows(layout, &batch, stamped);
    if rows.args.args_iter().len() + rows.keys.args_iter().len() > MAX_ARGS {
        let message = "a batch with conditions has at most about a million parts on redis; split it";
        return done(Err(Error::new(Code::ValueTooLarge, message).in_engine(ENGINE)));
    }
    let write = !batch.ops.is_empty();
    let first = rows.call("EVALSHA", &COMMIT.sha);
    let again = Arc::downgrade(link);
    let settle: Settle = Box::new(move |replies| match replies.map(|mut replies| replies.pop()) {
        // The server has forgotten the script: nothing was done yet, and the source says it all again.
        Ok(Some(Answer::ServerError(text))) if text.kind() == Some(ServerErrorKind::NoScript) => {
            let Some(link) = again.upgrade() else { return done(Err(super::closed())) };
            let settle: Settle = Box::new(move |replies| {
                done(replies.and_then(|mut replies| outcome(&batch, replies.pop())).map(Reply::Commit));
            });
            link.submit(What::commands(&rows.call("EVAL", COMMIT.source), write, settle));
        }
        Ok(reply) => done(outcome(&batch, reply).map(Reply::Commit)),
        Err(error) => done(Err(error)),
    });
    link.submit(What::commands(&first, write, settle));
}

fn rows(layout: &Layout, batch: &Batch, stamped: bool) -> Rows {
    let mut rows = Rows { keys: Cmd::new(), args: Cmd::new() };
    for name in [&layout.seq, &layout.companions, &layout.names, &layout.values] {
        rows.keys.arg(name);
    }
    rows.arg(layout.prefix.len());
    rows.arg(now());
    rows.arg(u8::from(stamped));
    for Check { space, key, version } in &batch.checks {
        rows.row(layout, *space, "check", "check internal", key);
        rows.arg(version.map(|version| version.to_string()).unwrap_or_default());
    }
    for RangeCheck { since, .. } in &batch.range_checks {
        rows.arg("check range");
        rows.arg(*since);
    }
    for (index, op) in batch.ops.iter().enumerate() {
        match op {
            Op::Set { space, key, value, expires_at, metadata } => {
                rows.row(layout, *space, "set", "set internal", key);
                match space {
                    Space::User => {
                        rows.arg(&value.to_text()[..]);
                        rows.arg(expires_at.map(|at| expiry(at).to_string()).unwrap_or_default());
                        rows.arg(metadata.as_deref().unwrap_or_default());
                    }
                    Space::Internal => rows.arg(&internal_text(value, *expires_at, metadata.as_ref())[..]),
                }
            }
            Op::Add { space, key, by, expires_at, metadata } => {
                rows.row(layout, *space, "add", "add internal", key);
                rows.arg(&Value::from_number(*by).to_text()[..]);
                rows.arg(expires_at.map(|at| expiry(at).to_string()).unwrap_or_default());
                rows.arg(metadata.as_deref().unwrap_or_default());
            }
            Op::Delete { space, key } => rows.row(layout, *space, "delete", "delete internal", key),
            Op::DeleteRange { range, .. } => {
                if range.is_empty() {
                    continue;
                }
                let (low, high) = lex_bounds(range);
                rows.arg("clear internal");
                rows.arg(low);
                rows.arg(high);
                let before = batch.ops.get(..index).unwrap_or_default();
                let written: Vec<&Key> = before
                    .iter()
                    .filter_map(Op::key)
                    .filter(|(space, key)| *space == Space::Internal && range.contains(key))
                    .map(|(_, key)| key)
                    .collect();
                rows.arg(written.len());
                written.iter().for_each(|key| rows.arg(&key[..]));
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

fn outcome(batch: &Batch, reply: Option<Answer>) -> Result<Commit> {
    let items = match reply {
        Some(Answer::Array(items)) => items,
        Some(Answer::ServerError(text)) => return Err(refused(&text)),
        _ => return Err(unexpected()),
    };
    let mut items = items.into_iter();
    let Some(Answer::Int(first)) = items.next() else { return Err(unexpected()) };
    let conditions = batch.checks.len() + batch.range_checks.len();
    let failed_row = |items: &mut dyn Iterator<Item = Answer>| match items.next() {
        Some(Answer::Int(row)) => Some(usize::try_from(row).unwrap_or(0).saturating_sub(1)),
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
            Op::Delete { .. } => Outcome::Deleted { existed: items.next() == Some(Answer::Int(1)) },
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
fn added(space: Space, text: Option<Answer>, more: Option<Answer>) -> Result<Outcome> {
    let (Some(Answer::BulkString(text)), Some(Answer::BulkString(more))) = (text, more) else {
        return Err(unexpected());
    };
    let more = std::str::from_utf8(&more).map_err(|_| unexpected())?;
    let version = match space {
        Space::User if more.is_empty() => version(&text, None),
        Space::User => version(&text, Some(more.parse().map_err(|_| unexpected())?)),
        Space::Internal => Version::parse(more),
    };
    let value = Value::Json(text.into()).as_number().ok_or_else(unexpected)?;
    Ok(Outcome::Added { value, version: version.ok_or_else(unexpected)? })
}

/// A call of a script that is not kept on the server.
#[must_use]
pub fn run_once(source: &str, keys: &[&[u8]], args: &[&[u8]]) -> Pipeline {
    let mut pipe = redis::pipe();
    pipe.cmd("EVAL").arg(source).arg(keys.len()).arg(keys).arg(args);
    pipe
}
