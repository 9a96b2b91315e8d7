//! The swap: the commit point, then the steps behind it.

use redis::Value as RespValue;

use super::super::fault::unexpected;
use super::super::link::{Effect, Link};
use super::super::options::NAME;
use super::super::reply::{array, string};
use super::super::script::run_once;
use super::finish::finish;
use super::gone;
use super::stage::{Stage, held};
use crate::batch::Commit;
use crate::error::{Code, Error, Result};
use crate::format::redis::{Layout, REPLACEMENT, Replaced, held_mark};
use crate::record::now;

const BEGIN: &str = concat!(include_str!("../numbers.lua"), include_str!("begin_swap.lua"));

/// How often a call is made at most while the connection fails. Each waits for the next connection.
const ATTEMPTS: usize = 5;

/// Replaces the content by the staged one. Blocks.
pub(super) fn swap(link: &Link, layout: &Layout, stage: &Stage) -> Result<Commit> {
    let first = begin(link, layout, stage)?;
    let replaced = persistently(|| {
        finish(link, layout)?;
        let mut pipe = redis::pipe();
        pipe.cmd("GET").arg(&stage.names.replaced);
        Ok(string(&[], link.call(&pipe, Effect::Read)?.pop())?.as_deref().and_then(Replaced::parse))
    });
    let unfinished = |error: Option<Error>| {
        let message = "the content is being replaced, but that could not be finished; the next open or write does so";
        let unfinished = Error::new(Code::UnknownOutcome, message).in_engine(NAME);
        match error {
            Some(error) => unfinished.caused_by(&error),
            None => unfinished,
        }
    };
    match replaced {
        Ok(Some(Replaced { id, lost: 0, .. })) if id == stage.id => Ok(Commit { seq: first + 1, outcomes: Vec::new() }),
        Ok(Some(Replaced { id, .. })) if id == stage.id => {
            let message = "the content was replaced, but another program, or eviction, removed a part of it before";
            Err(Error::corrupted(message).in_engine(NAME))
        }
        // The server has lost its latest writes, or another replacement followed.
        Ok(_) => Err(unfinished(None)),
        Err(error) => Err(unfinished(Some(error))),
    }
}

/// Takes the first commit number: the commit point. A second call of the script is harmless, so it is sent again after
/// a lost reply.
fn begin(link: &Link, layout: &Layout, stage: &Stage) -> Result<u64> {
    let names = &stage.names;
    let keys = [&layout.replacement, &layout.held, &layout.ranges, &names.staging, &names.stager, &stage.chunks_name];
    let keys =
        keys.into_iter().chain([&names.names, &names.replaced, &layout.seq, &layout.log, &layout.feed, &layout.epoch]);
    let keys: Vec<&[u8]> = keys.map(Vec::as_slice).collect();
    let (chunks, internal, mark) =
        (stage.chunks.to_string(), stage.internal.to_string(), held_mark(REPLACEMENT, now()));
    let process = link.process();
    let args = [stage.id.as_bytes(), chunks.as_bytes(), internal.as_bytes(), mark.as_bytes(), process.as_bytes()];
    let pipe = run_once(BEGIN, &keys, &args);
    let mut unknown = None;
    let reply = persistently(|| {
        let reply = link.call(&pipe, Effect::Write);
        if let Err(error) = &reply
            && error.code() == Code::UnknownOutcome
        {
            unknown = Some(error.clone());
        }
        array(reply?.pop())
    });
    match (reply, unknown) {
        (Ok(items), _) => match items.as_slice() {
            [RespValue::Int(0), RespValue::Int(commit)] => u64::try_from(*commit).map_err(|_| unexpected()),
            [RespValue::Int(1)] => Err(gone()),
            [RespValue::Int(2), mark, field] => Err(held(mark, field)),
            _ => Err(unexpected()),
        },
        (Err(_), Some(unknown)) => Err(unknown),
        (Err(error), None) => Err(error),
    }
}

/// Makes a call that is harmless to repeat, again while the connection fails.
fn persistently<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match call() {
            Err(error) if attempt < ATTEMPTS && may_pass(&error) => attempt += 1,
            result => return result,
        }
    }
}

fn may_pass(error: &Error) -> bool {
    matches!(error.code(), Code::Connection | Code::Timeout | Code::UnknownOutcome)
}
