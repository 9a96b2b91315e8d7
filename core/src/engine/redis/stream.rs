//! What commits touched, read from the streams that the script which commits writes: the *log*, for `since`, and the *feed*, for
//! those who watch now. An entry is a part of a commit; commits follow each other without a gap, or something was lost.

use bytes::Bytes;
use redis::{Pipeline, Value as Answer};

use super::fault::{ENGINE, refused, unexpected};
use super::layout::{Layout, Touched, digest, log_entry, log_place, user_value};
use super::link::Link;
use super::read::{array, inside};
use super::script::run_once;
use crate::engine::watch::{Change, CommitEvent, Interval, Logged, ahead_of_the_store, behind_the_log};
use crate::error::{Error, Result};

const OPEN: &str = include_str!("open_stream.lua");

/// Entries read at once.
const AT_ONCE: usize = 256;

/// A stream as it was when it was opened.
pub struct Opened {
    /// The latest commit.
    pub seq: u64,
    /// What it holds is complete behind this commit.
    pub floor: u64,
}

/// Asks for a stream that takes down every commit from now on, for some milliseconds or for good.
#[must_use]
pub fn open(layout: &Layout, stream: &[u8], millis: Option<u64>) -> Pipeline {
    let millis = millis.map(|millis| millis.to_string()).unwrap_or_default();
    run_once(OPEN, &[&layout.seq, stream], &[millis.as_bytes()])
}

/// The answer to [`open`].
pub fn opened(reply: Option<Answer>) -> Result<Opened> {
    let items = array(reply)?;
    let [Answer::BulkString(seq), Answer::BulkString(id), Answer::BulkString(letter)] = items.as_slice() else {
        return Err(unexpected());
    };
    let seq = std::str::from_utf8(seq).ok().and_then(|seq| seq.parse().ok()).ok_or_else(unexpected)?;
    Ok(Opened { seq, floor: floor(id, letter)? })
}

/// What a stream is complete behind, from its first entry.
fn floor(id: &[u8], letter: &[u8]) -> Result<u64> {
    let (commit, part) = log_place(id).ok_or_else(damaged)?;
    Ok(if letter != b"o" && part == 1 { commit.saturating_sub(1) } else { commit })
}

fn damaged() -> Error {
    Error::corrupted("an entry of the change log is damaged").in_engine(ENGINE)
}

/// Puts commits together from entries.
pub struct Reader {
    /// The last commit that is whole.
    pub at: u64,
    /// Parts so far of the next one.
    parts: u64,
    changes: Vec<Touched>,
}

/// A commit by its number.
pub type Committed = (u64, Vec<Touched>);

/// What an entry brings.
pub enum Step {
    /// A part that is not the last one.
    Part,
    Whole(Committed),
    /// Not what follows: something is missing before it, and nothing behind this commit.
    Gap(u64),
}

impl Reader {
    #[must_use]
    pub fn behind(at: u64) -> Self {
        Reader { at, parts: 0, changes: Vec::new() }
    }

    /// The id behind which the next entry lies.
    #[must_use]
    pub fn place(&self) -> String {
        if self.parts == 0 { format!("{}-{}", self.at, u64::MAX) } else { format!("{}-{}", self.at + 1, self.parts) }
    }

    /// Takes an entry.
    pub fn take(&mut self, entry: Answer) -> Result<Step> {
        let Ok([Answer::BulkString(id), fields]) = <[Answer; 2]>::try_from(array(Some(entry))?) else {
            return Err(damaged());
        };
        let (commit, part) = log_place(&id).ok_or_else(damaged)?;
        let Ok([Answer::BulkString(letter), Answer::BulkString(text)]) = <[Answer; 2]>::try_from(array(Some(fields))?)
        else {
            return Err(damaged());
        };
        if letter == b"o" || commit != self.at + 1 || part != self.parts + 1 {
            let found = if letter == b"o" || part > 1 { commit } else { commit.saturating_sub(1) };
            return Ok(Step::Gap(found));
        }
        self.parts = part;
        self.changes.extend(log_entry(&Bytes::from(text)).ok_or_else(damaged)?);
        if letter == b"m" {
            return Ok(Step::Part);
        }
        self.at = commit;
        self.parts = 0;
        Ok(Step::Whole((commit, std::mem::take(&mut self.changes))))
    }
}

/// Commits with the values that their keys had, where they are known, else have, where it is the same version: `ask` reads them.
pub fn with_values(
    layout: &Layout,
    commits: Vec<Committed>,
    ask: impl FnOnce(&Pipeline) -> Result<Vec<Answer>>,
) -> Result<Vec<CommitEvent>> {
    let mut pipe = redis::pipe();
    pipe.cmd("MULTI");
    for touched in commits.iter().flat_map(|(_, touched)| touched) {
        if let Touched::Set(key, _, None) = touched {
            pipe.cmd("GET").arg(layout.name(key)).cmd("PEXPIRETIME").arg(layout.name(key));
        }
    }
    pipe.cmd("EXEC");
    let mut items = if pipe.len() > 2 { inside(ask(&pipe)?)? } else { Vec::new() }.into_iter();
    let mut change = |touched| match touched {
        Touched::Deleted(key) => Change::Delete { key },
        Touched::Cleared(start, end) => Change::Clear { range: Interval { start, end } },
        Touched::Set(key, version, Some(text)) => {
            // It was written as JSON by us.
            let value = user_value(&key, text).ok();
            Change::Set { key, version, value }
        }
        Touched::Set(key, version, None) => {
            let (text, expiry) = (items.next(), items.next());
            let value = match (text, expiry) {
                (Some(Answer::BulkString(text)), Some(Answer::Int(at))) => {
                    let fits = digest(&text, u64::try_from(at).ok()) == version.to_string();
                    if fits { user_value(&key, text.into()).ok() } else { None }
                }
                _ => None,
            };
            Change::Set { key, version, value }
        }
    };
    let events = commits
        .into_iter()
        .map(|(seq, touched)| CommitEvent { seq, changes: touched.into_iter().map(&mut change).collect() });
    Ok(events.filter(|event| !event.changes.is_empty()).collect())
}

/// The commits behind `since` in the log, about `max_bytes` of keys.
pub fn logged(link: &Link, layout: &Layout, since: u64, max_bytes: usize) -> Result<Logged> {
    let Opened { seq, floor } = opened(link.call(&open(layout, &layout.log, None), true)?.pop())?;
    if since > seq {
        return Err(ahead_of_the_store(since, seq));
    }
    if since < floor {
        return Err(behind_the_log(since, floor));
    }
    let mut reader = Reader::behind(since);
    let mut commits = Vec::new();
    let mut size = 0;
    let mut more = true;
    while more && size < max_bytes {
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE").arg(&layout.log).arg(format!("({}", reader.place())).arg("+").arg("COUNT").arg(AT_ONCE);
        let entries = array(link.call(&pipe, false)?.pop())?;
        more = entries.len() == AT_ONCE;
        for entry in entries {
            match reader.take(entry)? {
                Step::Part => {}
                Step::Whole((commit, touched)) => {
                    size += touched.iter().map(weight).sum::<usize>() + 16;
                    commits.push((commit, touched));
                }
                // Trimmed since it was opened.
                Step::Gap(found) => return Err(behind_the_log(since, found)),
            }
        }
    }
    let through = if more { reader.at } else { reader.at.max(seq) };
    let commits = with_values(layout, commits, |pipe| link.call(pipe, false))?;
    Ok(Logged { commits, through, more })
}

fn weight(touched: &Touched) -> usize {
    match touched {
        Touched::Set(key, ..) | Touched::Deleted(key) => key.len() + 32,
        Touched::Cleared(..) => 64,
    }
}

/// The latest commit, and what the log is complete behind, if it is on.
pub fn standing(link: &Link, layout: &Layout) -> Result<(u64, Option<u64>)> {
    let mut pipe = redis::pipe();
    pipe.cmd("GET").arg(&layout.seq);
    pipe.cmd("XRANGE").arg(&layout.log).arg("-").arg("+").arg("COUNT").arg(1);
    let mut replies = link.call(&pipe, false)?.into_iter();
    let seq = super::delete_range::counter_of(replies.next())?;
    let floor = match array(replies.next())?.pop() {
        None => None,
        Some(entry) => Some(first(entry)?),
    };
    Ok((seq, floor))
}

fn first(entry: Answer) -> Result<u64> {
    let items = array(Some(entry))?;
    let [Answer::BulkString(id), Answer::Array(fields)] = items.as_slice() else { return Err(damaged()) };
    let Some(Answer::BulkString(letter)) = fields.first() else { return Err(damaged()) };
    floor(id, letter)
}

/// The entries in a reply to XREAD over one stream, in either protocol's form.
pub fn entries(reply: Option<Answer>) -> Result<Vec<Answer>> {
    match reply {
        None | Some(Answer::Nil) => Ok(Vec::new()),
        Some(Answer::Map(mut streams)) => array(streams.pop().map(|(_, entries)| entries)),
        Some(Answer::Array(mut streams)) => match array(streams.pop())?.pop() {
            Some(entries) => array(Some(entries)),
            None => Ok(Vec::new()),
        },
        Some(Answer::ServerError(text)) => Err(refused(&text)),
        Some(_) => Err(unexpected()),
    }
}
