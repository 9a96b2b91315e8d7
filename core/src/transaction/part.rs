//! A transaction's hold on one engine, as an engine: reads see its view under the transaction's own writes, and a
//! batch goes into the overlay.
//!
//! Invariant: calls take effect in the order they were made. What cannot be answered at once queues, and while something is
//! queued or running nothing is answered on the caller's thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::merged::Merged;
use super::overlay::{Found, Overlay};
use super::reads::Reads;
use super::{Life, Participant};
use crate::batch::{Batch, Commit};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::{Tap, Watching};
use crate::engine::{
    Capabilities, Done, Engine, Progress, Read, Reply, Report, Request, Stats, View, list, spawn_waiting,
    unexpected_reply,
};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version, now};
use crate::value::Value;

/// Called once nothing is queued any more.
type OnIdle = Box<dyn FnOnce() + Send>;

pub(super) struct Part {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    engine: Arc<dyn Engine>,
    life: Arc<Life>,
    reads: Arc<Mutex<Reads>>,
    /// Locked by whoever answers: the caller's thread, or for as long as a read takes, the one that works through the queue.
    own: Mutex<Own>,
    queue: Mutex<Queue>,
}

/// What the transaction has of one engine.
#[derive(Default)]
struct Own {
    /// Taken at the first read.
    base: Option<Arc<dyn View>>,
    overlay: Overlay,
    /// Batches made so far, and what they touched: the sequence numbers and history of the transaction's inside.
    edits: u64,
    recent: Recent,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<(Request, Done)>,
    /// Something of it is under way.
    running: bool,
    on_idle: Option<OnIdle>,
}

impl Part {
    pub fn new(name: String, engine: Arc<dyn Engine>, life: Arc<Life>) -> Arc<Self> {
        let shared =
            Shared { name, engine, life, reads: Arc::default(), own: Mutex::default(), queue: Mutex::default() };
        Arc::new(Part { shared: Arc::new(shared) })
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.shared.name == name
    }

    /// True if a batch to the engine is all that the commit takes.
    pub fn commits_alone(&self) -> bool {
        self.shared.engine.capabilities().atomic_batch
    }

    pub fn is_idle(&self) -> bool {
        !self.shared.queue.lock().running
    }

    /// Calls `then` once the calls made so far are answered; at once if they are.
    pub fn when_idle(&self, then: OnIdle) {
        let mut queue = self.shared.queue.lock();
        if queue.running {
            queue.on_idle = Some(then);
        } else {
            drop(queue);
            then();
        }
    }

    /// What is to be committed: without operations if the part was only read, `None` if it was not used. The part holds nothing any more.
    pub fn take(&self) -> Option<Participant> {
        let Own { base, overlay, .. } = std::mem::take(&mut *self.shared.own.lock());
        let reads = std::mem::take(&mut *self.shared.reads.lock());
        if overlay.is_empty() && reads.is_empty() {
            return None;
        }
        let mut batch = Batch { ops: overlay.into_ops(), ..Batch::default() };
        if let Some(base) = base {
            let seq = base.seq();
            reads.guard(&mut batch, seq);
            batch.as_of = Some(seq);
        }
        Some(Participant { name: self.shared.name.clone(), engine: self.shared.engine.clone(), batch })
    }

    /// Lets everything go, once the call that runs is over. What is queued finds the transaction ended.
    pub fn drop_all(&self) {
        let shared = self.shared.clone();
        self.when_idle(Box::new(move || {
            *shared.own.lock() = Own::default();
            *shared.reads.lock() = Reads::default();
        }));
    }
}

impl Own {
    /// The view, taken now if that can be done at once.
    fn base_now(&mut self, engine: &dyn Engine) -> Option<Result<Arc<dyn View>>> {
        if let Some(base) = &self.base {
            return Some(Ok(base.clone()));
        }
        let base = engine.try_begin()?;
        if let Ok(base) = &base {
            self.base = Some(base.clone());
        }
        Some(base)
    }
}

impl Shared {
    fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.engine.name())
    }

    /// Runs `call` on the caller's thread, unless earlier calls are queued.
    fn at_once<T>(&self, call: impl FnOnce(&mut Own) -> Option<Result<T>>) -> Option<Result<T>> {
        if let Err(error) = self.life.check() {
            return Some(Err(self.name_it(error)));
        }
        if self.queue.lock().running {
            return None;
        }
        call(&mut *self.own.try_lock()?).map(|result| result.map_err(|error| self.name_it(error)))
    }

    /// What the transaction sees at this moment.
    fn merged(&self, own: &Own, base: Arc<dyn View>) -> Merged {
        Merged {
            base,
            overlay: own.overlay.clone(),
            reads: self.reads.clone(),
            life: self.life.clone(),
            edits: own.edits,
        }
    }

    fn note(&self, space: Space, key: &[u8], found: Option<&Record>) {
        if !self.life.read_only {
            self.reads.lock().key(space, Key::copy_from_slice(key), found.map(|record| record.version));
        }
    }

    /// The record of a key as the transaction sees it, without a wait.
    fn look(&self, own: &mut Own, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        match own.overlay.layer(space).find(key) {
            Found::Record(record) => return Some(Ok((!record.has_expired()).then(|| (**record).clone()))),
            Found::Absent => return Some(Ok(None)),
            Found::Beneath => {}
        }
        let found = match own.base_now(&*self.engine)? {
            Ok(base) => base.try_get(space, key)?,
            Err(error) => Err(error),
        };
        if let Ok(found) = &found {
            self.note(space, key, found.as_ref());
        }
        Some(found)
    }

    /// Applies a batch to what the transaction has; after an error nothing of it is left. `None` if a read would have to
    /// wait and may not.
    fn edit(&self, own: &mut Own, batch: &Batch, may_wait: bool) -> Option<Result<Commit>> {
        if self.life.read_only && !batch.ops.is_empty() {
            return Some(Err(Error::new(Code::ReadOnly, "the transaction was begun with readOnly")));
        }
        // An operation alone fails before it writes.
        let before = (batch.ops.len() > 1 && !batch.is_blind()).then(|| own.overlay.clone());
        let seq = own.edits + 1;
        let mut target = Inside { shared: self, own, may_wait, blocked: false };
        let applied = apply(batch, &mut target, seq, now());
        let blocked = target.blocked;
        match applied {
            Ok(outcomes) => {
                if !batch.ops.is_empty() {
                    own.edits = seq;
                    own.recent.record(seq, batch);
                }
                Some(Ok(Commit { seq: own.edits, outcomes }))
            }
            Err(error) => {
                if let Some(before) = before {
                    own.overlay = before;
                }
                (!blocked).then_some(Err(error))
            }
        }
    }

    /// Begins to work through the queue, once there is a view.
    fn start(self: &Arc<Self>) {
        let base = self.own.lock().base_now(&*self.engine);
        match base {
            Some(base) => self.work_with(base.map(|_| ())),
            None => {
                let shared = self.clone();
                self.engine.submit(
                    Request::View,
                    Box::new(move |reply| {
                        let base = reply.and_then(|reply| match reply {
                            Reply::View(base) => Ok(base),
                            _ => Err(unexpected_reply()),
                        });
                        shared.work_with(base.map(|base| shared.own.lock().base = Some(base)));
                    }),
                );
            }
        }
    }

    /// Answers what is queued, in order, on a thread of a pool.
    fn work_with(self: &Arc<Self>, ready: Result<()>) {
        let shared = self.clone();
        spawn_waiting(move || {
            while let Some((request, done)) = shared.next() {
                let answer = ready.clone().and_then(|()| {
                    catch_unwind(AssertUnwindSafe(|| shared.answer(request)))
                        .unwrap_or_else(|_| Err(Error::new(Code::Io, "the engine failed inside")))
                });
                done(answer.map_err(|error| shared.name_it(error)));
            }
        });
    }

    /// The next queued call; `None` ends the run.
    fn next(&self) -> Option<(Request, Done)> {
        let mut queue = self.queue.lock();
        let next = queue.calls.pop_front();
        if next.is_none() {
            queue.running = false;
            let on_idle = queue.on_idle.take();
            drop(queue);
            if let Some(on_idle) = on_idle {
                on_idle();
            }
        }
        next
    }

    fn answer(&self, request: Request) -> Result<Reply> {
        self.life.check_running()?;
        let mut own = self.own.lock();
        if let Request::Commit(batch) = &request {
            let commit = self.edit(&mut own, batch, true).unwrap_or_else(|| Err(unexpected_reply()));
            return commit.map(Reply::Commit);
        }
        let base = own.base.clone().ok_or_else(unexpected_reply)?;
        let merged = self.merged(&own, base);
        drop(own);
        match request {
            Request::Read(read) => {
                answer(&read, |space, key| Some(merged.get(space, key))).unwrap_or_else(|| Err(unexpected_reply()))
            }
            Request::View => Ok(Reply::View(Arc::new(merged))),
            request => list(&merged, &request),
        }
    }
}

/// Answers a read of single keys; `None` if `get` does.
fn answer(read: &Read, mut get: impl FnMut(Space, &[u8]) -> Option<Result<Option<Record>>>) -> Option<Result<Reply>> {
    let (space, key) = match read {
        Read::Get(space, key) | Read::Entry(space, key) | Read::Has(space, key) => (*space, key),
        Read::Many(space, keys) => {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                match get(*space, key)? {
                    Ok(record) => values.push(record.map(|record| record.value)),
                    Err(error) => return Some(Err(error)),
                }
            }
            return Some(Ok(Reply::Values(values)));
        }
    };
    Some(get(space, key)?.map(|record| match read {
        Read::Entry(..) => Reply::Entry(record),
        Read::Has(..) => Reply::Has(record.is_some()),
        Read::Get(..) | Read::Many(..) => Reply::Value(record.map(|record| record.value)),
    }))
}

/// Where a batch inside a transaction goes.
struct Inside<'a> {
    shared: &'a Shared,
    own: &'a mut Own,
    may_wait: bool,
    /// A read would have had to wait.
    blocked: bool,
}

impl Target for Inside<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(found) = self.shared.look(self.own, space, key) {
            return found;
        }
        match &self.own.base {
            Some(base) if self.may_wait => {
                let found = base.get(space, key)?;
                self.shared.note(space, key, found.as_ref());
                Ok(found)
            }
            _ => {
                self.blocked = true;
                Err(unexpected_reply())
            }
        }
    }

    fn put(&mut self, space: Space, key: &Key, mut record: Record) -> Result<()> {
        if let Found::Record(old) = self.own.overlay.layer(space).find(key)
            && !old.has_expired()
        {
            record.created_at = old.created_at;
        }
        self.own.overlay.layer_mut(space).put(key.clone(), record);
        Ok(())
    }

    fn remove(&mut self, space: Space, key: &Key) -> Result<()> {
        self.own.overlay.layer_mut(space).remove(key.clone());
        Ok(())
    }

    fn remove_range(&mut self, space: Space, range: &KeyRange) -> Result<bool> {
        self.own.overlay.layer_mut(space).remove_range(range);
        Ok(true)
    }

    fn tap(&mut self) -> Option<&mut Tap> {
        None
    }

    fn intents(&mut self) -> Option<&mut Intents> {
        None
    }

    fn changed_since(&mut self, space: Space, range: &KeyRange, since: u64) -> Result<bool> {
        Ok(self.own.recent.changed_since(space, range, since))
    }

    fn version(&self, seq: u64, _value: &Value, _expires_at: Option<Millis>) -> Version {
        Version::pending(seq)
    }
}

impl Engine for Part {
    fn name(&self) -> &'static str {
        self.shared.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: true,
            atomic_batch: true,
            atomic_clear: true,
            sync: false,
            watch: Watching::None,
            ..self.shared.engine.capabilities()
        }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let shared = &*self.shared;
        shared.at_once(|own| answer(read, |space, key| shared.look(own, space, key)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let shared = &*self.shared;
        shared.at_once(|own| Some(shared.look(own, space, key)?.map(|record| record.map(|record| record.value))))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.shared.at_once(|own| self.shared.edit(own, batch, false))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        let shared = &*self.shared;
        shared.at_once(|own| {
            let base = own.base_now(&*shared.engine)?;
            Some(base.map(|base| Arc::new(shared.merged(own, base)) as Arc<dyn View>))
        })
    }

    fn submit(&self, request: Request, done: Done) {
        let shared = &self.shared;
        if let Err(error) = shared.life.check() {
            return done(Err(shared.name_it(error)));
        }
        let mut queue = shared.queue.lock();
        queue.calls.push_back((request, done));
        if !queue.running {
            queue.running = true;
            drop(queue);
            shared.start();
        }
    }

    fn waits(&self) -> bool {
        self.shared.engine.waits()
    }

    fn stats(&self) -> Result<Stats> {
        Err(self.not_here("stats"))
    }

    fn verify(&self, _repair: bool, _progress: Progress<'_>) -> Result<Report> {
        Err(self.not_here("verify"))
    }

    fn compact(&self) -> Result<()> {
        Err(self.not_here("compact"))
    }

    /// Nothing: the transaction ends by itself, and the engine is not its own.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

impl Part {
    fn not_here(&self, what: &str) -> Error {
        self.shared.name_it(Error::new(Code::NotSupported, format!("a transaction has no {what}; ask its engine")))
    }
}
