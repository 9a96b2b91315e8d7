//! Durable consumers: who is at work under a name, and how far the work is done.
//!
//! One record a name holds both ([`record`]). Every change of it is conditional on its version, so that of two
//! consumers of one name one is at work. A holder that was taken for dead finds another token in the record, and stops:
//! it can write the cursor no more.

mod record;
mod request;
mod signs;

use bytes::Bytes;
use serde::Serialize;

use super::answer::Answer;
use crate::batch::{Batch, Check, Op};
use crate::engine::watch::{Cursor, Watching, pass_unmatched};
use crate::engine::{Engine, EngineExt};
use crate::error::{Code, Error, Result};
use crate::key::{KeyRange, Space};
use crate::record::Version;

use record::{Holder, State, encode, key_of, read};
use request::{Advance, Claim, Keep, Release, Sign};

pub use request::Request;

/// How often a change of the record is tried again after another one was ahead of it.
const TRIES: usize = 100;

pub(super) fn start(engine: &dyn Engine, request: Request) -> Result<Answer> {
    match request {
        Request::Claim(request) => answer(&claim(engine, &request)?),
        Request::Keep(request) => answer(&keep(engine, &request)?),
        Request::Release(request) => answer(&release(engine, &request)?),
        Request::Advance(request) => answer(&advance(engine, &request)?),
    }
}

fn answer(answer: &impl Serialize) -> Result<Answer> {
    let text = serde_json::to_vec(answer).map_err(|_| Error::corrupted("an answer is no JSON"))?;
    Ok(Answer::Text(Bytes::from(text)))
}

/// The answer to a claim.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Claimed {
    cursor: Option<String>,
    /// The one at work, if the claim failed.
    holder: Option<Found>,
}

/// A holder as the one who waits needs to know it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Found {
    token: String,
    beat: u64,
    host: String,
    pid: u32,
    timeout: u64,
    /// The holder is in this process.
    own: bool,
}

/// Takes the name, unless a holder may be alive.
fn claim(engine: &dyn Engine, request: &Claim) -> Result<Claimed> {
    if engine.capabilities().watch == Watching::None {
        let message = "this engine has no change log, so nothing can be consumed from it";
        return Err(Error::new(Code::NotSupported, message).in_engine(engine.name()));
    }
    for _ in 0..TRIES {
        let (state, version) = read(engine, &request.name)?;
        if let Some(holder) = state.holder.as_ref().filter(|holder| holder.token != request.token) {
            let found = found(holder);
            if let Some(found) = found.filter(|found| !is_dead(engine, found, request)) {
                return Ok(Claimed { cursor: state.cursor, holder: Some(found) });
            }
        }
        let before = state.holder;
        let holder = Holder {
            process: signs::process().to_owned(),
            token: request.token.clone(),
            host: request.host.clone(),
            pid: request.pid,
            timeout: request.timeout,
            beat: 0,
        };
        let cursor = state.cursor;
        if write(engine, &request.name, &State { cursor: cursor.clone(), holder: Some(holder) }, version)? {
            if let Some(before) = before {
                signs::end(&before.token);
            }
            signs::give(&request.token);
            return Ok(Claimed { cursor, holder: None });
        }
    }
    Err(contended(&request.name))
}

/// A holder with its latest sign of life; `None` if it is of this process and has given the name up.
fn found(holder: &Holder) -> Option<Found> {
    let own = holder.process == signs::process();
    let beat = if own { signs::beat_of(&holder.token)? } else { holder.beat };
    let Holder { token, host, pid, timeout, .. } = holder.clone();
    Some(Found { token, beat, host, pid, timeout, own })
}

fn is_dead(engine: &dyn Engine, found: &Found, request: &Claim) -> bool {
    // No other process has the store open.
    let alone = !found.own && !engine.capabilities().multi_process;
    alone || request.dead.as_ref().is_some_and(|Sign { token, beat }| *token == found.token && *beat == found.beat)
}

/// Gives a sign of life, and writes the cursor. False if the name is another one's now.
fn keep(engine: &dyn Engine, request: &Keep) -> Result<bool> {
    if signs::beat_of(&request.token).is_none() {
        return Ok(false);
    }
    signs::give(&request.token);
    if let Some(cursor) = &request.cursor {
        Cursor::parse(cursor)?;
    } else if !engine.capabilities().multi_process {
        return Ok(true);
    }
    change(engine, &request.name, &request.token, |state| {
        if let Some(holder) = &mut state.holder {
            holder.beat = holder.beat.wrapping_add(1);
        }
        if request.cursor.is_some() {
            state.cursor.clone_from(&request.cursor);
        }
    })
}

/// Gives the name up. False if it was another one's already.
fn release(engine: &dyn Engine, request: &Release) -> Result<bool> {
    signs::end(&request.token);
    if request.forget {
        return forget(engine, request);
    }
    change(engine, &request.name, &request.token, |state| state.holder = None)
}

fn forget(engine: &dyn Engine, request: &Release) -> Result<bool> {
    for _ in 0..TRIES {
        let (state, version) = read(engine, &request.name)?;
        if state.holder.is_some_and(|holder| holder.token != request.token) {
            return Ok(false);
        }
        let delete = Op::delete(key_of(&request.name)).in_space(Space::Internal);
        if commit(engine, delete, &request.name, version)? {
            return Ok(true);
        }
    }
    Err(contended(&request.name))
}

/// Changes the state while `token` holds the name. False if it does not.
fn change(engine: &dyn Engine, name: &str, token: &str, change: impl Fn(&mut State)) -> Result<bool> {
    for _ in 0..TRIES {
        let (mut state, version) = read(engine, name)?;
        if state.holder.as_ref().is_none_or(|holder| holder.token != token) {
            signs::end(token);
            return Ok(false);
        }
        change(&mut state);
        if write(engine, name, &state, version)? {
            return Ok(true);
        }
    }
    Err(contended(name))
}

fn write(engine: &dyn Engine, name: &str, state: &State, version: Option<Version>) -> Result<bool> {
    let set = Op::set(key_of(name), encode(state)?).in_space(Space::Internal);
    commit(engine, set, name, version)
}

/// Commits a write of the record. False if the record has changed.
fn commit(engine: &dyn Engine, op: Op, name: &str, version: Option<Version>) -> Result<bool> {
    let check = Check::new(key_of(name), version).in_space(Space::Internal);
    match engine.commit(Batch::one(op).with_checks([check])) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Code::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// The error of a change that others were always ahead of. Few write the record, so this is rare.
fn contended(name: &str) -> Error {
    Error::new(Code::Conflict, format!("others change the consumer {name} all the time; try again"))
}

/// The answer to an advance.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Advanced {
    cursor: String,
    /// How many commits of the store lie behind the cursor.
    lag: u64,
}

fn advance(engine: &dyn Engine, request: &Advance) -> Result<Advanced> {
    let since = Cursor::parse(&request.cursor)?;
    let (cursor, lag) = pass_unmatched(engine, &KeyRange::glob(&request.pattern), since)?;
    Ok(Advanced { cursor: cursor.to_string(), lag })
}
