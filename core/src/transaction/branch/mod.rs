//! A transaction's hold on one engine, as an engine: reads see its view under the transaction's own writes, and a
//! batch goes into the overlay.
//!
//! Invariant: calls take effect in the order they were made. What cannot be answered at once queues, and while something is
//! queued or running nothing is answered on the caller's thread.

mod overlay;
mod reads;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use self::overlay::{Found, Overlay};
use self::reads::Reads;
use self::view::BranchView;
use super::{Participant, TransactionState};
use crate::batch::{Batch, Commit};
use crate::engine::apply::{Target, apply};
use crate::engine::intent::Intents;
use crate::engine::recent::Recent;
use crate::engine::watch::{Tap, Watching};
use crate::engine::{
    Capabilities, Done, Engine, EngineExt, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched,
    list, unexpected_reply,
};
use crate::error::{Code, Error, Result};
use crate::key::{Key, KeyRange, Space};
use crate::record::{Millis, Record, Version, now};
use crate::threads::{self, guarded};
use crate::value::Value;

/// Called once nothing is queued any more.
type OnIdle = Box<dyn FnOnce() + Send>;

pub(super) struct Branch {
    inner: Arc<BranchInner>,
}

struct BranchInner {
    name: String,
    engine: Arc<dyn Engine>,
    state: Arc<TransactionState>,
    reads: Arc<Mutex<Reads>>,
    /// Locked by whoever answers: the caller's thread, or for as long as a read takes, the one that works through the queue.
    own: Mutex<BranchState>,
    queue: Mutex<CallQueue>,
}

/// What the transaction has of one engine.
#[derive(Default)]
struct BranchState {
    /// Taken at the first read.
    base: Option<Arc<dyn View>>,
    overlay: Overlay,
    /// Batches made so far, and what they touched: the sequence numbers and history of the transaction's inside.
    edits: u64,
    recent: Recent,
}

#[derive(Default)]
struct CallQueue {
    calls: VecDeque<(Request, Done)>,
    /// Something of it is under way.
    running: bool,
    on_idle: Option<OnIdle>,
}

impl Branch {
    pub fn new(name: String, engine: Arc<dyn Engine>, state: Arc<TransactionState>) -> Arc<Self> {
        let inner =
            BranchInner { name, engine, state, reads: Arc::default(), own: Mutex::default(), queue: Mutex::default() };
        Arc::new(Branch { inner: Arc::new(inner) })
    }

    pub fn is_named(&self, name: &str) -> bool {
        self.inner.name == name
    }

    /// True if a batch to the engine is all that the commit takes.
    pub fn commits_alone(&self) -> bool {
        self.inner.engine.capabilities().atomic_batch
    }

    pub fn is_idle(&self) -> bool {
        !self.inner.queue.lock().running
    }

    /// Calls `then` once the calls made so far are answered; at once if they are.
    pub fn when_idle(&self, then: OnIdle) {
        let mut queue = self.inner.queue.lock();
        if queue.running {
            queue.on_idle = Some(then);
        } else {
            drop(queue);
            then();
        }
    }

    /// What is to be committed: without operations if the branch was only read, `None` if it was not used. The branch holds nothing any more.
    pub fn take(&self) -> Option<Participant> {
        let BranchState { base, overlay, .. } = std::mem::take(&mut *self.inner.own.lock());
        let reads = std::mem::take(&mut *self.inner.reads.lock());
        if overlay.is_empty() && reads.is_empty() {
            return None;
        }
        let mut batch = Batch { ops: overlay.into_ops(), ..Batch::default() };
        if let Some(base) = base {
            let seq = base.seq();
            reads.guard(&mut batch, seq);
            batch.as_of = Some(seq);
        }
        Some(Participant { name: self.inner.name.clone(), engine: self.inner.engine.clone(), batch })
    }

    /// Lets everything go, once the call that runs is over. What is queued finds the transaction ended.
    pub fn drop_all(&self) {
        let inner = self.inner.clone();
        self.when_idle(Box::new(move || {
            *inner.own.lock() = BranchState::default();
            *inner.reads.lock() = Reads::default();
        }));
    }
}

impl BranchState {
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

impl BranchInner {
    fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.engine.name())
    }

    /// Runs `call` on the caller's thread, unless earlier calls are queued.
    fn at_once<T>(&self, call: impl FnOnce(&mut BranchState) -> Option<Result<T>>) -> Option<Result<T>> {
        if let Err(error) = self.state.check() {
            return Some(Err(self.name_it(error)));
        }
        if self.queue.lock().running {
            return None;
        }
        call(&mut *self.own.try_lock()?).map(|result| result.map_err(|error| self.name_it(error)))
    }

    /// What the transaction sees at this moment.
    fn merged(&self, own: &BranchState, base: Arc<dyn View>) -> BranchView {
        BranchView {
            base,
            overlay: own.overlay.clone(),
            reads: self.reads.clone(),
            state: self.state.clone(),
            edits: own.edits,
        }
    }

    fn note(&self, space: Space, key: &[u8], found: Option<&Record>) {
        if !self.state.read_only {
            self.reads.lock().key(space, Key::copy_from_slice(key), found.map(|record| record.version));
        }
    }

    /// The record of a key as the transaction sees it, without a wait.
    fn look(&self, own: &mut BranchState, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
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
    fn edit(&self, own: &mut BranchState, batch: &Batch, may_wait: bool) -> Option<Result<Commit>> {
        if self.state.read_only && !batch.ops.is_empty() {
            return Some(Err(Error::new(Code::ReadOnly, "the transaction was begun with readOnly")));
        }
        // An operation alone fails before it writes.
        let before = (batch.ops.len() > 1 && !batch.is_blind()).then(|| own.overlay.clone());
        let seq = own.edits + 1;
        let mut target = Inside { inner: self, own, may_wait, blocked: false };
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
                let inner = self.clone();
                self.engine.submit(
                    Request::View,
                    Box::new(move |reply| {
                        let base = reply.and_then(|reply| match reply {
                            Reply::View(base) => Ok(base),
                            _ => Err(unexpected_reply()),
                        });
                        inner.work_with(base.map(|base| inner.own.lock().base = Some(base)));
                    }),
                );
            }
        }
    }

    /// Answers what is queued, in order, on a thread of a pool.
    fn work_with(self: &Arc<Self>, ready: Result<()>) {
        let inner = self.clone();
        threads::waiting(move |started| {
            let ready = started.and(ready);
            while let Some((request, done)) = inner.next() {
                let answer = ready.clone().and_then(|()| guarded(|| inner.answer(request)));
                done(answer.map_err(|error| inner.name_it(error)));
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
        self.state.check_running()?;
        let mut own = self.own.lock();
        if let Request::Commit(batch) = &request {
            let commit = self.edit(&mut own, batch, true).unwrap_or_else(|| Err(unexpected_reply()));
            return commit.map(Reply::Commit);
        }
        let base = own.base.clone().ok_or_else(unexpected_reply)?;
        let merged = self.merged(&own, base);
        drop(own);
        match request {
            Request::Read(read) => read.answer(|space, key| merged.get(space, key)),
            Request::View => Ok(Reply::View(Arc::new(merged))),
            request => list(&merged, &request),
        }
    }
}

/// Where a batch inside a transaction goes.
struct Inside<'a> {
    inner: &'a BranchInner,
    own: &'a mut BranchState,
    may_wait: bool,
    /// A read would have had to wait.
    blocked: bool,
}

impl Target for Inside<'_> {
    fn get(&mut self, space: Space, key: &Key) -> Result<Option<Record>> {
        if let Some(found) = self.inner.look(self.own, space, key) {
            return found;
        }
        match &self.own.base {
            Some(base) if self.may_wait => {
                let found = base.get(space, key)?;
                self.inner.note(space, key, found.as_ref());
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

impl Engine for Branch {
    fn name(&self) -> &'static str {
        self.inner.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: true,
            atomic_batch: true,
            atomic_clear: true,
            sync: false,
            watch: Watching::None,
            ..self.inner.engine.capabilities()
        }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let inner = &*self.inner;
        inner.at_once(|own| read.try_answer(|space, key| inner.look(own, space, key)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let inner = &*self.inner;
        inner.at_once(|own| Some(inner.look(own, space, key)?.map(|record| record.map(|record| record.value))))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.inner.at_once(|own| self.inner.edit(own, batch, false))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        let inner = &*self.inner;
        inner.at_once(|own| {
            let base = own.base_now(&*inner.engine)?;
            Some(base.map(|base| Arc::new(inner.merged(own, base)) as Arc<dyn View>))
        })
    }

    fn submit(&self, request: Request, done: Done) {
        let inner = &self.inner;
        if let Err(error) = inner.state.check() {
            return done(Err(inner.name_it(error)));
        }
        let mut queue = inner.queue.lock();
        queue.calls.push_back((request, done));
        if !queue.running {
            queue.running = true;
            drop(queue);
            inner.start();
        }
    }

    /// Nothing: the transaction ends by itself, and the engine is not its own.
    fn close(&self) -> Result<()> {
        Ok(())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        None
    }

    fn watched(&self) -> Option<&dyn Watched> {
        None
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        None
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        None
    }
}
