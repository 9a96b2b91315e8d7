//! The change log: which keys each commit touched, from the moment the log was switched on.

use super::link::{Effect, Link};
use super::reply::{array, commit_number};
use super::stream::{self, Opened, Step, StreamReader, with_values};
use crate::engine::watch::{Logged, ahead_of_the_store, behind_the_log};
use crate::error::Result;
use crate::format::redis::{Layout, Touched};

/// Entries read at once.
const PAGE_ENTRIES: usize = 256;

/// Switches the change log on; never blocks. If this fails, [`logged`] tells.
pub(super) fn start(link: &Link, layout: &Layout) {
    link.submit_commands(&stream::open(layout, &layout.log, None), Effect::Write, Box::new(drop));
}

/// The commits behind `since`, about `max_bytes` of keys. Blocks.
pub(super) fn logged(link: &Link, layout: &Layout, since: u64, max_bytes: usize) -> Result<Logged> {
    let Opened { seq, floor, ceiling } =
        stream::opened(link.call(&stream::open(layout, &layout.log, None), Effect::Write)?.pop())?;
    if since > ceiling {
        return Err(ahead_of_the_store(since, seq));
    }
    if since > seq {
        return Err(stream::lost_commits(since));
    }
    if since < floor {
        return Err(behind_the_log(since, floor));
    }
    let mut reader = StreamReader::behind(since);
    let mut commits = Vec::new();
    let mut size = 0;
    let mut more = true;
    while more && size < max_bytes {
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE").arg(&layout.log).arg(format!("({}", reader.position())).arg("+");
        pipe.arg("COUNT").arg(PAGE_ENTRIES);
        let entries = array(link.call(&pipe, Effect::Read)?.pop())?;
        more = entries.len() == PAGE_ENTRIES;
        for entry in entries {
            match reader.take(entry)? {
                Step::Incomplete => {}
                Step::Complete((commit, touched)) => {
                    size += touched.iter().map(size_of).sum::<usize>() + 16;
                    commits.push((commit, touched));
                }
                // The log was trimmed, or has begun anew, after it was opened.
                Step::Gap(found) | Step::Replaced(found) => return Err(behind_the_log(since, found)),
                Step::Lost => return Err(stream::lost_commits(since)),
            }
        }
    }
    let through = if more { reader.at } else { reader.at.max(seq) };
    let commits = with_values(layout, commits, |pipe| link.call(pipe, Effect::Read))?;
    Ok(Logged { commits, through, more, latest: seq })
}

fn size_of(touched: &Touched) -> usize {
    match touched {
        Touched::Set(key, ..) | Touched::Deleted(key) => key.len() + 32,
        Touched::Cleared(..) => 64,
    }
}

/// The latest commit, and the commit behind which the log is complete, if it is on. Blocks.
pub(super) fn bounds(link: &Link, layout: &Layout) -> Result<(u64, Option<u64>)> {
    let mut pipe = redis::pipe();
    pipe.cmd("GET").arg(&layout.seq);
    pipe.cmd("XRANGE").arg(&layout.log).arg("-").arg("+").arg("COUNT").arg(1);
    let mut replies = link.call(&pipe, Effect::Read)?.into_iter();
    let seq = commit_number(replies.next())?;
    let floor = array(replies.next())?.pop().map(stream::floor_of).transpose()?;
    Ok((seq, floor))
}
