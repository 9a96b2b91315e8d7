//! A branch: one engine as a transaction sees it, itself an engine. Reads see the engine's view under the transaction's
//! own writes, and a batch goes into the overlay.
//!
//! Invariant: calls take effect in the order they were made. A call that cannot be answered at once is queued, and
//! while a call is queued or runs, no call is answered on the caller's thread.

mod call_queue;
mod edit;
mod overlay;
mod reads;
mod state;
mod view;
mod work;

use std::sync::Arc;

use self::call_queue::OnIdle;
use self::edit::edit;
use self::state::{BranchInner, BranchState};
use super::participant::Participant;
use super::status::TransactionState;
use crate::batch::{Batch, Commit};
use crate::engine::watch::Watching;
use crate::engine::{
    Capabilities, Done, Engine, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched,
};
use crate::error::Result;
use crate::key::Space;
use crate::value::Value;

pub(super) struct Branch {
    inner: Arc<BranchInner>,
}

impl Branch {
    pub(super) fn new(name: String, engine: Arc<dyn Engine>, state: Arc<TransactionState>) -> Arc<Self> {
        Arc::new(Branch { inner: Arc::new(BranchInner::new(name, engine, state)) })
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.inner.name == name
    }

    /// True if the commit takes one batch to the engine and nothing else.
    pub(super) fn commits_alone(&self) -> bool {
        self.inner.engine.capabilities().atomic_batch
    }

    pub(super) fn is_idle(&self) -> bool {
        self.inner.queue.is_idle()
    }

    /// Calls `then` when the calls made so far are answered; at once if they are.
    pub(super) fn when_idle(&self, then: OnIdle) {
        self.inner.queue.when_idle(then);
    }

    /// Takes what is to be committed: without operations if the branch was only read, `None` if it was not used.
    pub(super) fn take(&self) -> Option<Participant> {
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

    /// Drops everything when the call that runs is over. Queued calls find the transaction ended.
    pub(super) fn drop_all(&self) {
        let inner = self.inner.clone();
        self.when_idle(Box::new(move || {
            drop(std::mem::take(&mut *inner.own.lock()));
            drop(std::mem::take(&mut *inner.reads.lock()));
        }));
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
        inner.at_once(|own| read.try_answer(|space, key| inner.try_get(own, space, key)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let inner = &*self.inner;
        inner.at_once(|own| Some(inner.try_get(own, space, key)?.map(|record| record.map(|record| record.value))))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.inner.at_once(|own| edit(&self.inner, own, batch, false))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        let inner = &*self.inner;
        inner.at_once(|own| {
            let base = own.try_base(&*inner.engine)?;
            Some(base.map(|base| Arc::new(inner.view(own, base)) as Arc<dyn View>))
        })
    }

    fn submit(&self, request: Request, done: Done) {
        if let Err(error) = self.inner.state.check_pending() {
            return done(Err(self.inner.name_it(error)));
        }
        if self.inner.queue.push(request, done) {
            work::start(&self.inner);
        }
    }

    /// Does nothing: the transaction ends by itself, and does not own the engine.
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
