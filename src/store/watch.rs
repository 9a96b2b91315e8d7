//! Watches. The addon rings when there is something to take, and the facade takes it.

use std::sync::Arc;

use holdfast_core::batch::Batch;
use holdfast_core::engine::watch::{Beginning, Cursor, Options, Taken, Watch};
use holdfast_core::engine::{EngineExt, Reply, Request, unexpected_reply};
use holdfast_core::error::{Error, Result};
use holdfast_core::threads::{self, guarded};
use napi::Env;
use napi_derive::napi;
use parking_lot::Mutex;

use super::NativeStore;
use super::calls::inline;
use super::share::OpenStore;
use crate::boundary::error::thrown;
use crate::boundary::settle::{CallId, Settled};
use crate::boundary::text::{Outbound, Text};
use crate::wire;

/// A watch of one consumer.
#[napi]
pub struct NativeWatch {
    watch: Arc<Watch>,
    bell: Arc<Bell>,
    store: Arc<OpenStore>,
}

/// Tells the facade that there is something to take, until it is silenced.
struct Bell {
    store: Arc<OpenStore>,
    id: CallId,
    silent: Mutex<bool>,
}

impl Bell {
    fn ring(&self) {
        if !*self.silent.lock() {
            self.store.settler.post(self.id, Settled::Progress(String::new()));
        }
    }

    /// Rings for the last time, with a text. The id may belong to another call behind it.
    fn silence(&self) {
        let mut silent = self.silent.lock();
        if !std::mem::replace(&mut *silent, true) {
            self.store.settler.post(self.id, Settled::Progress("over".into()));
        }
    }
}

#[napi]
impl NativeStore {
    /// Begins to watch the keys of `range`. It rings under the id `bell`. The facade closes the watch.
    #[napi(catch_unwind)]
    pub fn watch(&self, bell: CallId, range: Text, since: Option<String>, max_queue: u32) -> napi::Result<NativeWatch> {
        let bell = Arc::new(Bell { store: self.store.clone(), id: bell, silent: Mutex::new(false) });
        let rings = bell.clone();
        let open = || {
            let range = wire::range(&range.0)?;
            let since = since.as_deref().map(Cursor::parse).transpose()?;
            let options = Options { range, since, max_commits: max_queue as usize, ..Options::default() };
            Watch::open(&self.store.engine, options, Box::new(move || rings.ring()))
        };
        let watch = open().map_err(|error| {
            bell.silence();
            thrown(&error.in_engine(self.store.engine.name()))
        })?;
        let watch = Arc::new(watch);
        self.store.adopt(&watch);
        Ok(NativeWatch { watch, bell, store: self.store.clone() })
    }
}

#[napi]
impl NativeStore {
    /// Queues a mark: settles with the cursor behind the commits that were requested before this call, and ahead of all
    /// later ones. The change log is on from there.
    #[napi(catch_unwind)]
    pub fn submit_mark(&self, env: Env, id: CallId) {
        self.store.settler.expect(&env);
        let engine = &self.store.engine;
        engine.start_log();
        let store = self.store.clone();
        let done = move |reply: Result<Reply>| {
            let mark = reply.and_then(|reply| match reply {
                Reply::Commit(commit) => Ok(Settled::Text(Cursor::behind(commit.seq).to_string().into())),
                _ => Err(unexpected_reply()),
            });
            store.post(id, mark.map_err(|error| store.name_it(error)));
        };
        // A batch of nothing is a commit in the order of all others.
        engine.submit(Request::Commit(Batch::default()), Box::new(done));
    }
}

#[napi]
impl NativeWatch {
    /// True once everything that the watch promises is told. `null` if it has not begun before the next ring, `false`
    /// if `submitLog` has to be called first. Throws the error that ended the watch before it began.
    #[napi(getter)]
    pub fn begun(&self) -> napi::Result<Option<bool>> {
        match self.watch.beginning() {
            Ok(Beginning::Waiting) => Ok(None),
            Ok(Beginning::Log) => Ok(Some(false)),
            Ok(Beginning::Done) => Ok(Some(true)),
            Err(error) => Err(thrown(&error.in_engine(self.store.engine.name()))),
        }
    }

    /// Takes the next commits as text, at most `max` of them. `null` if there are none before the next ring, `true` if
    /// `submitLog` has to be called first. Throws the error that ended the watch.
    #[napi(catch_unwind)]
    pub fn take(&self, max: u32) -> napi::Result<Outbound> {
        inline(Some(match self.watch.take(max as usize) {
            Taken::Commits(commits) => Ok(Settled::Text(wire::commits_json(&commits))),
            Taken::Nothing => Ok(Settled::Null),
            Taken::Log => Ok(Settled::Bool(true)),
            Taken::Ended(error) => Err(error.in_engine(self.store.engine.name())),
        }))
    }

    /// Queues a read of a page of the change log. `take` returns its commits.
    #[napi(catch_unwind)]
    pub fn submit_log(&self, env: Env, id: CallId) {
        self.store.settler.expect(&env);
        let (watch, store) = (self.watch.clone(), self.store.clone());
        // The read waits for the view that it makes, and perhaps for a commit.
        threads::waiting(move |started| {
            let read = started.and_then(|()| {
                guarded(|| {
                    watch.read_log();
                    Ok(Settled::Bool(true))
                })
            });
            // Before the call settles, so that a watch that is closed behind it is gone.
            drop(watch);
            store.post(id, read.map_err(|error| store.name_it(error)));
        });
    }

    /// Ends the watch at once. It rings once more, with a text.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.bell.silence();
        self.watch.close(Error::closed());
    }
}
