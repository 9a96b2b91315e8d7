//! A watch, pulled by the facade: the addon only says that there is something.

use std::ops::Bound;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_core::engine::watch::{Change, CommitEvent, Interval, Options, Taken, Watch};
use holdfast_core::error::Error;
use holdfast_core::key::{Key, prefix_end};
use holdfast_core::threads::{self, guarded};
use holdfast_core::value::quote_into;
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use crate::error::thrown;
use crate::settle::{CallId, Settled};
use crate::store::{NativeStore, Shared, inline};
use crate::text::{Outbound, Text};
use crate::wire;

/// A watch of one consumer.
#[napi]
pub struct NativeWatch {
    watch: Arc<Watch>,
    bell: Arc<Bell>,
    shared: Arc<Shared>,
}

/// Tells the facade that there is something to take, until it is told not to.
struct Bell {
    shared: Arc<Shared>,
    id: CallId,
    silent: Mutex<bool>,
}

impl Bell {
    fn ring(&self) {
        if !*self.silent.lock() {
            self.shared.settler.post(self.id, Settled::Progress(String::new()));
        }
    }

    /// The last ring has a text; after it the id belongs to somebody else.
    fn silence(&self) {
        let mut silent = self.silent.lock();
        if !std::mem::replace(&mut *silent, true) {
            self.shared.settler.post(self.id, Settled::Progress("over".into()));
        }
    }
}

#[napi]
impl NativeStore {
    /// Begins to watch the keys of `range`, rung for under `bell`. The facade closes it.
    #[napi(catch_unwind)]
    pub fn watch(&self, bell: CallId, range: Text, since: Option<f64>, max_queue: u32) -> napi::Result<NativeWatch> {
        let range = wire::range(&range.0).map_err(|error| thrown(&error))?;
        let options =
            Options { range, since: since.map(wire::millis), max_commits: max_queue as usize, ..Options::default() };
        let bell = Arc::new(Bell { shared: self.shared.clone(), id: bell, silent: Mutex::new(false) });
        let rings = bell.clone();
        let watch = Watch::open(&self.shared.engine, options, Box::new(move || rings.ring())).map_err(|error| {
            bell.silence();
            thrown(&error.in_engine(self.shared.engine.name()))
        })?;
        let watch = Arc::new(watch);
        self.shared.adopt(&watch);
        Ok(NativeWatch { watch, bell, shared: self.shared.clone() })
    }
}

#[napi]
impl NativeWatch {
    /// Whether everything committed from now on is told.
    #[napi(getter)]
    pub fn begun(&self) -> bool {
        self.watch.has_begun()
    }

    /// The next commits as text, at most `max` of them; `null`: nothing now, wait for the bell; `true`: `submitLog` first.
    /// Throws why the watch is over.
    #[napi(catch_unwind)]
    pub fn take(&self, max: u32) -> napi::Result<Outbound> {
        inline(Some(match self.watch.take(max as usize) {
            Taken::Commits(commits) => Ok(Settled::Text(commits_json(&commits))),
            Taken::Nothing => Ok(Settled::Null),
            Taken::Log => Ok(Settled::Bool(true)),
            Taken::Ended(error) => Err(error.in_engine(self.shared.engine.name())),
        }))
    }

    /// Reads a page of the change log; what it found, `take` gives.
    #[napi(catch_unwind)]
    pub fn submit_log(&self, env: Env, id: CallId) {
        self.shared.settler.expect(&env);
        let (watch, shared) = (self.watch.clone(), self.shared.clone());
        threads::disk(move |started| {
            let read = started.and_then(|()| {
                guarded(|| {
                    watch.read_log();
                    Ok(Settled::Bool(true))
                })
            });
            // Before the call settles, so that a watch closed after it is really gone.
            drop(watch);
            shared.post(id, read.map_err(|error| shared.name_it(error)));
        });
    }

    /// Ends it at once. The bell rings once more, with a text.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.bell.silence();
        self.watch.close(Error::closed());
    }
}

/// `[[commit, [0, key, version, value] | [1, key, version] | [2, key] | [3, bounds | null], …], …]`: a set with its value, one
/// without, a delete, a cleared interval.
fn commits_json(commits: &[CommitEvent]) -> Bytes {
    let mut out = BytesMut::with_capacity(64 * commits.len());
    out.put_u8(b'[');
    for (at, commit) in commits.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(format!("[{}", commit.seq).as_bytes());
        for change in &commit.changes {
            out.put_u8(b',');
            match change {
                Change::Set { key, version, value } => {
                    out.put_slice(if value.is_some() { b"[0," } else { b"[1," });
                    quote_key(key, &mut out);
                    out.put_slice(format!(",\"{version}\"").as_bytes());
                    if let Some(value) = value {
                        out.put_u8(b',');
                        value.write_text(&mut out);
                    }
                }
                Change::Delete { key } => {
                    out.put_slice(b"[2,");
                    quote_key(key, &mut out);
                }
                Change::Clear { range } => {
                    out.put_slice(b"[3,");
                    bounds_json(range, &mut out);
                }
            }
            out.put_u8(b']');
        }
        out.put_u8(b']');
    }
    out.put_u8(b']');
    out.freeze()
}

/// `null` for everything, `[["prefix", …]]` for a folder, else the bounds there are.
fn bounds_json(interval: &Interval, out: &mut BytesMut) {
    let mut bounds: Vec<(&str, &Key)> = Vec::new();
    match (&interval.start, &interval.end) {
        (Bound::Unbounded, Bound::Unbounded) => return out.put_slice(b"null"),
        (Bound::Included(start), Bound::Excluded(end)) if prefix_end(start).as_ref() == Some(end) => {
            bounds.push(("prefix", start));
        }
        (start, end) => {
            match start {
                Bound::Included(key) => bounds.push(("gte", key)),
                Bound::Excluded(key) => bounds.push(("gt", key)),
                Bound::Unbounded => {}
            }
            match end {
                Bound::Included(key) => bounds.push(("lte", key)),
                Bound::Excluded(key) => bounds.push(("lt", key)),
                Bound::Unbounded => {}
            }
        }
    }
    out.put_u8(b'[');
    for (at, (name, key)) in bounds.into_iter().enumerate() {
        out.put_slice(if at > 0 { b",[\"" } else { b"[\"" });
        out.put_slice(name.as_bytes());
        out.put_slice(b"\",");
        quote_key(key, out);
        out.put_u8(b']');
    }
    out.put_u8(b']');
}

fn quote_key(key: &[u8], out: &mut BytesMut) {
    quote_into(&String::from_utf8_lossy(key), out);
}
