//! Read validation: reads of a transaction belong to one moment, although the server has no snapshots.
//!
//! Each read fetches the commit counter in the same step. While the counter stands, no client of ours has changed
//! anything. When it has moved, one step validates the versions of all keys read so far, and makes the next read. All
//! reads then belong to the moment of the new counter. Listing the keys of a range takes many steps, so behind the
//! first range no further commit is tolerated.

use std::collections::HashMap;

use parking_lot::Mutex;
use redis::{Pipeline, Value as RespValue};

use super::fault::{refused, unexpected};
use super::link::{Effect, Link};
use super::options::NAME;
use super::replacement::finish;
use super::reply::{array, commit_number, exec_items};
use crate::error::{Code, Error, Result};
use crate::format::redis::Layout;
use crate::key::{Key, Space};
use crate::record::{Version, now};

const VALIDATE: &str = include_str!("validate.lua");

/// Keys validated by one call of the script.
const CALL_KEYS: usize = 2048;

/// How often the first range of a transaction is read at most while others commit.
const ATTEMPTS: usize = 10;

/// The reads of one transaction.
#[derive(Default)]
pub(super) struct Validation {
    state: Mutex<ValidationState>,
}

#[derive(Default)]
struct ValidationState {
    /// The commit that all reads belong to.
    at: Option<u64>,
    keys: HashMap<(Space, Key), Option<Version>>,
    /// A range was read.
    has_range: bool,
}

fn range_conflict() -> Error {
    Error::new(Code::Conflict, "others committed since this transaction read a range; run it again").in_engine(NAME)
}

impl Validation {
    /// The commit that all reads belong to; 0 before the first read.
    pub(super) fn seq(&self) -> u64 {
        self.state.lock().at.unwrap_or(0)
    }

    /// The replies to commands, as of one moment that the earlier reads belong to as well; else CONFLICT. Blocks.
    pub(super) fn read(&self, link: &Link, layout: &Layout, pipe: &Pipeline) -> Result<Vec<RespValue>> {
        let mut state = self.state.lock();
        let (counter, items) = round_trip(link, layout, pipe, &[])?;
        if state.at.is_none_or(|at| at == counter) {
            state.at = Some(counter);
            return Ok(items);
        }
        if state.has_range {
            return Err(range_conflict());
        }
        let keys: Vec<(&(Space, Key), &Option<Version>)> = state.keys.iter().collect();
        let calls: Vec<ValidateCall> = keys.chunks(CALL_KEYS).map(ValidateCall::new).collect();
        let (counter, mut items) = round_trip(link, layout, pipe, &calls)?;
        for (call, reply) in calls.iter().zip(items.split_off(items.len().saturating_sub(calls.len()))) {
            match reply {
                RespValue::Int(0) => {}
                RespValue::Int(number) => {
                    let key = usize::try_from(number - 1).ok().and_then(|index| call.key(index));
                    return Err(Error::conflict(key.map(Key::as_ref).unwrap_or_default()).in_engine(NAME));
                }
                RespValue::ServerError(error) => return Err(refused(&error)),
                _ => return Err(unexpected()),
            }
        }
        state.at = Some(counter);
        Ok(items)
    }

    /// Notes the version that a key was read with. CONFLICT if it was read with another version before: another program
    /// has changed the key, or the key has expired.
    pub(super) fn note(&self, space: Space, key: &[u8], version: Option<Version>) -> Result<()> {
        let mut state = self.state.lock();
        match state.keys.insert((space, Key::copy_from_slice(key)), version) {
            Some(before) if before != version => Err(Error::conflict(key).in_engine(NAME)),
            _ => Ok(()),
        }
    }

    /// Reads a page of a range by `read`. The first page, which no caller has seen yet, is read again a few times if
    /// others commit meanwhile. `forget` is called before each of these. Blocks.
    pub(super) fn page<T>(
        &self,
        link: &Link,
        layout: &Layout,
        forget: impl Fn(),
        mut read: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        if self.state.lock().has_range {
            return read();
        }
        let mut attempt = 1;
        loop {
            self.read(link, layout, &redis::pipe())?;
            self.state.lock().has_range = true;
            match read() {
                Err(error) if error.code() == Code::Conflict && attempt < ATTEMPTS => {
                    self.state.lock().has_range = false;
                    forget();
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

/// A call of the script, and the keys that it validates: first those of users.
struct ValidateCall<'a> {
    user: Vec<(&'a Key, String)>,
    internal: Vec<(&'a Key, String)>,
}

impl<'a> ValidateCall<'a> {
    fn new(keys: &[(&'a (Space, Key), &'a Option<Version>)]) -> Self {
        let mut call = ValidateCall { user: Vec::new(), internal: Vec::new() };
        for ((space, key), version) in keys {
            let version = version.map(|version| version.to_string()).unwrap_or_default();
            let list = if *space == Space::User { &mut call.user } else { &mut call.internal };
            list.push((key, version));
        }
        call
    }

    fn key(&self, index: usize) -> Option<&'a Key> {
        self.user.iter().chain(&self.internal).nth(index).map(|(key, _)| *key)
    }

    fn pack(&self, pipe: &mut Pipeline, layout: &Layout) {
        pipe.cmd("EVAL").arg(VALIDATE).arg(self.user.len() + 2).arg(&layout.values).arg(&layout.companions);
        for (key, _) in &self.user {
            pipe.arg(layout.name(key));
        }
        pipe.arg(now()).arg(layout.prefix.len());
        for (_, version) in &self.user {
            pipe.arg(version);
        }
        for (key, version) in &self.internal {
            pipe.arg(&key[..]).arg(version);
        }
    }
}

/// The commit counter, the replies to `pipe`, and those to `calls`, as of one moment. While the content is being
/// replaced there is no such moment, so that is finished first.
fn round_trip(
    link: &Link,
    layout: &Layout,
    pipe: &Pipeline,
    calls: &[ValidateCall<'_>],
) -> Result<(u64, Vec<RespValue>)> {
    loop {
        match try_round_trip(link, layout, pipe, calls)? {
            Some(found) => return Ok(found),
            None => finish(link, layout)?,
        }
    }
}

/// [`round_trip`], unless the content is being replaced.
fn try_round_trip(
    link: &Link,
    layout: &Layout,
    pipe: &Pipeline,
    calls: &[ValidateCall<'_>],
) -> Result<Option<(u64, Vec<RespValue>)>> {
    let mut whole = redis::pipe();
    whole.cmd("MULTI").cmd("MGET").arg(&layout.seq).arg(&layout.replacement);
    for cmd in pipe.cmd_iter() {
        whole.add_command(cmd.clone());
    }
    for call in calls {
        call.pack(&mut whole, layout);
    }
    whole.cmd("EXEC");
    let mut items = exec_items(link.call(&whole, Effect::Read)?)?;
    if items.len() != 1 + pipe.len() + calls.len() {
        return Err(unexpected());
    }
    let rest = items.split_off(1);
    let Ok([seq, marker]) = <[RespValue; 2]>::try_from(array(items.pop())?) else { return Err(unexpected()) };
    if marker != RespValue::Nil {
        return Ok(None);
    }
    Ok(Some((commit_number(Some(seq))?, rest)))
}
