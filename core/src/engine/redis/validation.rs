//! What makes the reads of a transaction fit together, on a server that has no snapshots.
//!
//! Each read fetches the commit counter in the same step. While that stands, nothing of ours has changed. When it has moved,
//! the versions of all keys read so far are checked in one step with the next read, which then stands at the new number: all reads
//! are what one moment held. The names of a range take many steps to gather, so once a range was read no later
//! commit is tolerated.

use std::collections::HashMap;

use parking_lot::Mutex;
use redis::{Pipeline, Value as Answer};

use super::delete_range::counter_of;
use super::fault::{ENGINE, refused, unexpected};
use super::layout::Layout;
use super::link::Link;
use super::read::inside;
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Version, now};

const FIT: &str = include_str!("validate.lua");

/// Keys checked by one call of the script.
const CHECKED: usize = 2048;

/// How often the first range of a transaction is read at most, while others commit in between.
const ATTEMPTS: usize = 10;

#[derive(Default)]
pub struct Fit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The commit that everything read stands at.
    stand: Option<u64>,
    read: HashMap<(Space, Key), Option<Version>>,
    /// A range was read.
    ranged: bool,
}

fn moved() -> Error {
    Error::new(Code::Conflict, "others committed since this transaction read a range; run it again").in_engine(ENGINE)
}

impl Fit {
    /// The commit that everything read stands at; 0 before anything was.
    pub fn seq(&self) -> u64 {
        self.state.lock().stand.unwrap_or(0)
    }

    /// The replies to commands, as of one moment that fits what was read before; else CONFLICT.
    pub fn ask(&self, link: &Link, layout: &Layout, pipe: &Pipeline) -> Result<Vec<Answer>> {
        let mut state = self.state.lock();
        let (counter, items) = run(link, layout, pipe, &[])?;
        if state.stand.is_none_or(|stand| stand == counter) {
            state.stand = Some(counter);
            return Ok(items);
        }
        if state.ranged {
            return Err(moved());
        }
        let keys: Vec<(&(Space, Key), &Option<Version>)> = state.read.iter().collect();
        let checks: Vec<Check> = keys.chunks(CHECKED).map(Check::new).collect();
        let (counter, mut items) = run(link, layout, pipe, &checks)?;
        for (check, place) in checks.iter().zip(items.split_off(items.len().saturating_sub(checks.len()))) {
            match place {
                Answer::Int(0) => {}
                Answer::Int(place) => {
                    let key = usize::try_from(place - 1).ok().and_then(|place| check.key(place));
                    return Err(Error::conflict(key.map(Key::as_ref).unwrap_or_default()).in_engine(ENGINE));
                }
                Answer::ServerError(text) => return Err(refused(&text)),
                _ => return Err(unexpected()),
            }
        }
        state.stand = Some(counter);
        Ok(items)
    }

    /// Notes the version a key was read with. CONFLICT if it was read with another one before: by another program's hand, or
    /// because it has expired.
    pub fn note(&self, space: Space, key: &[u8], version: Option<Version>) -> Result<()> {
        let mut state = self.state.lock();
        match state.read.insert((space, Key::copy_from_slice(key)), version) {
            Some(before) if before != version => Err(Error::conflict(key).in_engine(ENGINE)),
            _ => Ok(()),
        }
    }

    /// Reads a page of a range by `read`. The first one, of which nobody has been told yet, is read again a few times if
    /// others commit meanwhile; before that, `forget` is called.
    pub fn page<T>(
        &self,
        link: &Link,
        layout: &Layout,
        forget: impl Fn(),
        mut read: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        if self.state.lock().ranged {
            return read();
        }
        let mut attempt = 1;
        loop {
            self.ask(link, layout, &redis::pipe())?;
            self.state.lock().ranged = true;
            match read() {
                Err(error) if error.code() == Code::Conflict && attempt < ATTEMPTS => {
                    self.state.lock().ranged = false;
                    forget();
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

/// Keys that one call of the script checks: users' first.
struct Check<'a> {
    user: Vec<(&'a Key, String)>,
    internal: Vec<(&'a Key, String)>,
}

impl<'a> Check<'a> {
    fn new(keys: &[(&'a (Space, Key), &'a Option<Version>)]) -> Self {
        let mut check = Check { user: Vec::new(), internal: Vec::new() };
        for ((space, key), version) in keys {
            let version = version.map(|version| version.to_string()).unwrap_or_default();
            let list = if *space == Space::User { &mut check.user } else { &mut check.internal };
            list.push((key, version));
        }
        check
    }

    fn key(&self, place: usize) -> Option<&'a Key> {
        self.user.iter().chain(&self.internal).nth(place).map(|(key, _)| *key)
    }

    fn pack(&self, pipe: &mut Pipeline, layout: &Layout) {
        pipe.cmd("EVAL").arg(FIT).arg(self.user.len() + 1).arg(&layout.values);
        for (key, _) in &self.user {
            pipe.arg(layout.name(key));
        }
        pipe.arg(now());
        for (_, version) in &self.user {
            pipe.arg(version);
        }
        for (key, version) in &self.internal {
            pipe.arg(&key[..]).arg(version);
        }
    }
}

/// The commit counter and the replies to `pipe`, then those to `checks`, as of one moment.
fn run(link: &Link, layout: &Layout, pipe: &Pipeline, checks: &[Check<'_>]) -> Result<(u64, Vec<Answer>)> {
    let mut whole = redis::pipe();
    whole.cmd("MULTI").cmd("GET").arg(&layout.seq);
    for cmd in pipe.cmd_iter() {
        whole.add_command(cmd.clone());
    }
    checks.iter().for_each(|check| check.pack(&mut whole, layout));
    whole.cmd("EXEC");
    let mut items = inside(link.call(&whole, false)?)?;
    if items.len() != 1 + pipe.len() + checks.len() {
        return Err(unexpected());
    }
    let rest = items.split_off(1);
    Ok((counter_of(items.pop())?, rest))
}
