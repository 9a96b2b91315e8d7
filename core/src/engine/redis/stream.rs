//! The two streams that the script which commits writes: the change log, for `since`, and the feed, for those who watch
//! now. An entry is a part of a commit. Commits follow each other without a gap, or something was lost.

use std::cmp::Ordering;

use bytes::Bytes;
use redis::{Pipeline, Value as RespValue};

use super::fault::{refused, unexpected};
use super::options::NAME;
use super::read::{RECORD_REPLIES, pack_record, record};
use super::reply::{array, exec_items, text};
use super::script::run_once;
use crate::engine::watch::{Change, CommitEvent, Interval};
use crate::error::{Code, Error, Result};
use crate::format::redis::{Layout, Touched, log_entry, log_place, user_value};

/// The text of the entry that begins a stream anew because the content was replaced.
const REPLACED: &[u8] = b"replaced";

const OPEN: &str = include_str!("open_stream.lua");

/// The state of a stream when it was opened.
pub(super) struct Opened {
    /// The latest commit.
    pub seq: u64,
    /// The stream holds every commit behind this one.
    pub floor: u64,
    /// No commit has a greater number by now.
    pub ceiling: u64,
}

/// Has the server write every commit from now on into `stream`, for some milliseconds or for good.
pub(super) fn open(layout: &Layout, stream: &[u8], millis: Option<u64>) -> Pipeline {
    let millis = millis.map(|millis| millis.to_string()).unwrap_or_default();
    run_once(OPEN, &[&layout.seq, stream], &[millis.as_bytes()])
}

/// The answer to [`open`].
pub(super) fn opened(reply: Option<RespValue>) -> Result<Opened> {
    let items = array(reply)?;
    let [seq, RespValue::BulkString(id), RespValue::BulkString(letter), RespValue::BulkString(first), time] =
        items.as_slice()
    else {
        return Err(unexpected());
    };
    let number = |reply| text(reply).and_then(|text| text.parse().ok()).ok_or_else(unexpected);
    let seq = number(seq)?;
    Ok(Opened { seq, floor: floor(id, letter, first)?, ceiling: number(time)?.max(seq) })
}

/// The commit behind which a stream is complete, from the stream's first entry.
pub(super) fn floor_of(first: RespValue) -> Result<u64> {
    let items = array(Some(first))?;
    let [RespValue::BulkString(id), RespValue::Array(fields)] = items.as_slice() else { return Err(damaged()) };
    let [RespValue::BulkString(letter), RespValue::BulkString(text)] = fields.as_slice() else { return Err(damaged()) };
    floor(id, letter, text)
}

fn floor(id: &[u8], letter: &[u8], text: &[u8]) -> Result<u64> {
    let (commit, part) = log_place(id).ok_or_else(damaged)?;
    match letter {
        b"o" => Ok(commit),
        b"j" => last_of_epoch(text),
        _ if part == 1 => Ok(commit.saturating_sub(1)),
        _ => Ok(commit),
    }
}

/// The last commit of an epoch, from the text of the entry that begins the next one.
fn last_of_epoch(text: &[u8]) -> Result<u64> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(damaged)
}

/// The error of a reader that has seen commits which the server has lost.
pub(super) fn lost_commits(since: u64) -> Error {
    let message = format!(
        "the server has lost commits up to {since}: its data was deleted, or is that of an older time; \
         read everything again, then watch without since"
    );
    Error::new(Code::PreconditionFailed, message).in_engine(NAME)
}

fn damaged() -> Error {
    Error::corrupted("an entry of the change log is damaged").in_engine(NAME)
}

/// The entries in a reply to XREAD over one stream, in either version of the protocol.
pub(super) fn entries(reply: Option<RespValue>) -> Result<Vec<RespValue>> {
    match reply {
        None | Some(RespValue::Nil) => Ok(Vec::new()),
        Some(RespValue::Map(mut streams)) => array(streams.pop().map(|(_, entries)| entries)),
        Some(RespValue::Array(mut streams)) => match array(streams.pop())?.pop() {
            Some(entries) => array(Some(entries)),
            None => Ok(Vec::new()),
        },
        Some(RespValue::ServerError(error)) => Err(refused(&error)),
        Some(_) => Err(unexpected()),
    }
}

/// Assembles commits from entries.
pub(super) struct StreamReader {
    /// The last commit that is complete.
    pub at: u64,
    /// How many parts of the next commit have come.
    parts: u64,
    changes: Vec<Touched>,
}

/// The number of a commit, and what the commit touched.
pub(super) type Committed = (u64, Vec<Touched>);

/// The result of one entry.
pub(super) enum Step {
    /// The commit has more parts.
    Incomplete,
    Complete(Committed),
    /// The entry is not the next one: something before it is missing, and nothing behind this commit.
    Gap(u64),
    /// This commit has replaced the content.
    Replaced(u64),
    /// The server has lost the commit at which the reader stands.
    Lost,
}

impl StreamReader {
    pub(super) fn behind(at: u64) -> Self {
        StreamReader { at, parts: 0, changes: Vec::new() }
    }

    /// The id behind which the next entry lies.
    pub(super) fn position(&self) -> String {
        if self.parts == 0 { format!("{}-{}", self.at, u64::MAX) } else { format!("{}-{}", self.at + 1, self.parts) }
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: RespValue) -> Result<Step> {
        let Ok([RespValue::BulkString(id), fields]) = <[RespValue; 2]>::try_from(array(Some(entry))?) else {
            return Err(damaged());
        };
        let (commit, part) = log_place(&id).ok_or_else(damaged)?;
        let Ok([RespValue::BulkString(letter), RespValue::BulkString(text)]) =
            <[RespValue; 2]>::try_from(array(Some(fields))?)
        else {
            return Err(damaged());
        };
        if letter == b"o" && text == REPLACED {
            return Ok(Step::Replaced(commit));
        }
        if letter == b"j" {
            let last = last_of_epoch(&text)?;
            return Ok(match last.cmp(&self.at) {
                Ordering::Less => Step::Lost,
                Ordering::Greater => Step::Gap(last),
                Ordering::Equal if self.parts > 0 => Step::Lost,
                Ordering::Equal => {
                    self.at = commit;
                    Step::Incomplete
                }
            });
        }
        if letter == b"o" || commit != self.at + 1 || part != self.parts + 1 {
            let found = if letter == b"o" || part > 1 { commit } else { commit.saturating_sub(1) };
            return Ok(Step::Gap(found));
        }
        self.parts = part;
        self.changes.extend(log_entry(&Bytes::from(text)).ok_or_else(damaged)?);
        if letter == b"m" {
            return Ok(Step::Incomplete);
        }
        self.at = commit;
        self.parts = 0;
        Ok(Step::Complete((commit, std::mem::take(&mut self.changes))))
    }
}

/// Commits with the values of their keys. A value that the stream does not hold is read by `ask`, and taken if its
/// version is still the same.
pub(super) fn with_values(
    layout: &Layout,
    commits: Vec<Committed>,
    ask: impl FnOnce(&Pipeline) -> Result<Vec<RespValue>>,
) -> Result<Vec<CommitEvent>> {
    let mut pipe = redis::pipe();
    pipe.cmd("MULTI");
    for touched in commits.iter().flat_map(|(_, touched)| touched) {
        if let Touched::Set(key, _, None) = touched {
            pack_record(&mut pipe, layout, key);
        }
    }
    pipe.cmd("EXEC");
    let mut items = if pipe.len() > 2 { exec_items(ask(&pipe)?)? } else { Vec::new() }.into_iter();
    let mut change = |touched| match touched {
        Touched::Deleted(key) => Change::Delete { key },
        Touched::Cleared(start, end) => Change::Clear { range: Interval { start, end } },
        Touched::Set(key, version, Some(text)) => {
            // Our script wrote it as JSON.
            let value = user_value(&key, text).ok();
            Change::Set { key, version, value }
        }
        Touched::Set(key, version, None) => {
            // What another program has written meanwhile may be no record.
            let now = record(&key, &mut items.by_ref().take(RECORD_REPLIES)).ok().flatten();
            let value = now.filter(|now| now.version == version).map(|now| now.value);
            Change::Set { key, version, value }
        }
    };
    let events = commits
        .into_iter()
        .map(|(seq, touched)| CommitEvent { seq, changes: touched.into_iter().map(&mut change).collect() });
    Ok(events.filter(|event| !event.changes.is_empty()).collect())
}
