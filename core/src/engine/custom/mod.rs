//! Engines that others write, in JavaScript for one: a few plain calls, made one at a time, become an [`Engine`].
//!
//! There are no snapshots: a view reads what is there. One for a transaction counts the engine's changes and fails with
//! CONFLICT where a read does not fit those before it. A batch is checked and written in one *step*, during which
//! the engine answers nobody else; if a write of it fails, those before it are taken back.
//!
//! Both keyspaces lie in the one that the engine has: `key_encoding.rs` says how.

mod key_encoding;
mod view;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use self::view::CustomView;
use super::intent::{self, Decision, Intent, Intents};
use super::watch::Watching;
use super::{
    Capabilities, Done, Engine, EngineExt, Maintained, Progress, Read, Replaceable, Reply, Report, Request, Stats,
    Transactional, View, Watched, list,
};
use crate::batch::{Batch, Commit, IntentId};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::{Millis, Record, Version};
use crate::threads::{Worker, guarded};
use crate::value::Value;

pub use key_encoding::PREFIX;

/// A write, by the name the engine knows the key by.
#[derive(Clone, Debug)]
pub enum Write {
    Set { key: Key, value: Value, expires_at: Option<Millis>, metadata: Option<Bytes> },
    Delete { key: Key },
}

/// One call. What is `inside` belongs to the step that was begun, and goes before everything else.
#[derive(Clone, Debug)]
pub enum Call {
    /// Begins a step, after the calls made before: until its end the engine answers only what is inside it.
    Begin,
    /// Ends the step. Follows on every [`Call::Begin`] that was answered well.
    End {
        /// What was written in it stands; else there was nothing, or it was taken back.
        kept: bool,
    },
    /// What a key holds, `None` if nothing or if it has expired.
    Get { key: Key, inside: bool },
    /// Every key but the expired ones, in any order.
    Keys { inside: bool },
    /// Inside a step.
    Write(Write),
    /// Inside a step, all or nothing; only where the engine has atomic batches. Each key is named once.
    Batch(Vec<Write>),
}

/// What a call came to.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of [`Call::Begin`], [`Call::End`] and writes.
    Done,
    /// Of [`Call::Get`]. Its version does not count: value and expiry are digested.
    Record(Option<Record>),
    /// Of [`Call::Keys`].
    Keys(Vec<Key>),
}

/// An answer, and how many changes the engine had made by then.
#[derive(Clone, Debug)]
pub struct Answered {
    pub answer: Answer,
    pub changes: u64,
}

/// Receives the answer of a call, exactly once, on any thread.
pub type OnAnswer = Box<dyn FnOnce(Result<Answered>) + Send>;

/// What an engine by somebody else can do.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// What errors call it.
    pub name: &'static str,
    /// [`Call::Batch`] is taken.
    pub atomic_batch: bool,
    /// Records expire.
    pub expiry: bool,
    /// Records have metadata.
    pub metadata: bool,
}

/// An engine by somebody else. It makes calls one at a time and in order, and counts its changes, whoever made them.
pub trait Host: Send + Sync {
    fn traits(&self) -> Traits;

    /// Never blocks.
    fn call(&self, call: Call, answer: OnAnswer);

    /// Answers what is under way with CLOSED, and so every later call.
    fn close(&self);
}

/// Makes an engine of `host`.
#[must_use]
pub fn open(host: Arc<dyn Host>) -> Arc<dyn Engine> {
    let traits = host.traits();
    let shared = Shared {
        host,
        traits,
        queue: Mutex::default(),
        worker: Worker::new("holdfast-custom"),
        idle: Condvar::new(),
        intents: Mutex::default(),
    };
    Arc::new(Custom { shared: Arc::new(shared) })
}

struct Custom {
    shared: Arc<Shared>,
}

struct Shared {
    host: Arc<dyn Host>,
    traits: Traits,
    queue: Mutex<Queue>,
    /// Makes the calls, one at a time. Of the engine's own: an engine of the user's may use another one.
    worker: Worker,
    /// Nothing is queued or runs any more.
    idle: Condvar,
    /// Changed by the one commit that runs.
    intents: Mutex<Known>,
}

/// The intents that stand.
#[derive(Default)]
struct Known {
    intents: Intents,
    /// They were looked for.
    sure: bool,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<(Request, Done)>,
    running: bool,
    closed: bool,
}

impl Shared {
    /// Makes a call and waits for its answer.
    fn ask(&self, call: Call) -> Result<Answered> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.host.call(
            call,
            Box::new(move |answered| {
                // The receiver waits below.
                let _ = sender.send(answered);
            }),
        );
        // A host that drops a call without an answer is gone.
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// The live record of a key, and the count of changes it was read at.
    fn get(&self, space: Space, key: &[u8], inside: bool) -> Result<(Option<Record>, u64)> {
        let answered = self.ask(Call::Get { key: key_encoding::name(space, key)?, inside })?;
        let Answer::Record(record) = answered.answer else { return Err(super::unexpected_reply()) };
        let record = record.filter(|record| !record.has_expired()).map(|record| {
            let version = Version::digest(&record.value, record.expires_at);
            Record { version, ..record }
        });
        Ok((record, answered.changes))
    }

    /// Every key of a keyspace, in order, and the count of changes they were listed at.
    fn keys(&self, space: Space, inside: bool) -> Result<(Vec<Key>, u64)> {
        let answered = self.ask(Call::Keys { inside })?;
        let Answer::Keys(keys) = answered.answer else { return Err(super::unexpected_reply()) };
        let mut keys: Vec<Key> = keys.into_iter().filter_map(|key| key_encoding::key_in(space, &key)).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok((keys, answered.changes))
    }

    /// Answers what is queued, one after the other.
    fn work(self: &Arc<Self>, started: Result<()>) {
        while let Some((request, done)) = self.next() {
            let answer = started.clone().and_then(|()| guarded(|| self.answer(request)));
            done(answer.map_err(|error| error.in_engine(self.traits.name)));
        }
    }

    /// The next queued call; `None` ends the run.
    fn next(&self) -> Option<(Request, Done)> {
        let mut queue = self.queue.lock();
        let next = queue.calls.pop_front();
        if next.is_none() {
            queue.running = false;
            self.idle.notify_all();
        }
        next
    }

    fn answer(self: &Arc<Self>, request: Request) -> Result<Reply> {
        match request {
            Request::Read(read) => self.read(&read),
            Request::Commit(batch) => {
                batch.check_size()?;
                write::within(self, |changes| write::carry_out(self, &batch, changes)).map(Reply::Commit)
            }
            Request::View => Ok(Reply::View(Arc::new(CustomView::new(self, false)))),
            request => list(&CustomView::new(self, false), &request),
        }
    }

    fn read(&self, read: &Read) -> Result<Reply> {
        read.answer(|space, key| self.get(space, key, false).map(|(record, _)| record))
    }
}

impl Engine for Custom {
    fn name(&self) -> &'static str {
        self.shared.traits.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: false,
            atomic_batch: self.shared.traits.atomic_batch,
            // A range is deleted by one batch.
            atomic_clear: self.shared.traits.atomic_batch,
            timestamps: false,
            watch: Watching::None,
            multi_process: false,
            sync: false,
            volatile: false,
            waits_for_javascript: true,
        }
    }

    fn try_read(&self, _read: &Read) -> Option<Result<Reply>> {
        None
    }

    fn try_get(&self, _space: Space, _key: &[u8]) -> Option<Result<Option<Value>>> {
        None
    }

    fn try_commit(&self, _batch: &Batch) -> Option<Result<Commit>> {
        None
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    fn submit(&self, request: Request, done: Done) {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            drop(queue);
            return done(Err(Error::closed().in_engine(self.shared.traits.name)));
        }
        queue.calls.push_back((request, done));
        if !queue.running {
            queue.running = true;
            drop(queue);
            let shared = self.shared.clone();
            self.shared.worker.spawn(move |started| shared.work(started));
        }
    }

    fn close(&self) -> Result<()> {
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        while queue.running {
            self.shared.idle.wait(&mut queue);
        }
        drop(queue);
        self.shared.host.close();
        Ok(())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watched> {
        None
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        Some(self)
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        None
    }
}

impl Transactional for Custom {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        Some(Ok(Arc::new(CustomView::new(&self.shared, true))))
    }

    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        intent::commit_intent(self, id, batch)
    }

    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        intent::resolve(self, id, decision)
    }

    fn intents(&self) -> Result<Vec<Intent>> {
        intent::standing(&*self.view()?)
    }
}

impl Maintained for Custom {
    fn stats(&self) -> Result<Stats> {
        Ok(Stats::default())
    }

    /// Reads every record. There is nothing to repair: how such an engine keeps its data is its own business.
    fn verify(&self, _repair: bool, progress: Progress<'_>) -> Result<Report> {
        let mut names = Vec::new();
        for space in [Space::User, Space::Internal] {
            let (keys, _) = self.shared.keys(space, false)?;
            names.extend(keys.into_iter().map(|key| (space, key)));
        }
        let mut report = Report::default();
        for (space, key) in &names {
            match self.shared.get(*space, key, false) {
                Err(error) if error.code() == Code::Corrupted => report.errors.push(error.at_key(key)),
                other => drop(other?),
            }
            report.checked += 1;
            progress(report.checked, names.len() as u64)?;
        }
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        Ok(())
    }
}
