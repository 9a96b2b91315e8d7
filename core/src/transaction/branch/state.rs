//! The state of a branch: the engine's view, the transaction's own writes, and the reads that its commit will check.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::status::TransactionState;
use super::call_queue::CallQueue;
use super::overlay::Overlay;
use super::reads::Reads;
use super::view::BranchView;
use crate::engine::recent::Recent;
use crate::engine::{Engine, EngineExt, View};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::record::Record;

pub(super) struct BranchInner {
    pub name: String,
    pub engine: Arc<dyn Engine>,
    pub state: Arc<TransactionState>,
    pub reads: Arc<Mutex<Reads>>,
    /// Whoever answers holds this lock: the caller's thread, or the task of the queue while it takes a view or edits.
    pub own: Mutex<BranchState>,
    pub queue: CallQueue,
}

#[derive(Default)]
pub(super) struct BranchState {
    /// The view of the engine, taken at the first read.
    pub base: Option<Arc<dyn View>>,
    pub overlay: Overlay,
    /// How many batches were made: the sequence number inside the transaction.
    pub edits: u64,
    /// The keys that the latest batches touched, for range checks inside the transaction.
    pub recent: Recent,
}

impl BranchState {
    /// The view of the engine, taken now if that can be done at once.
    pub(super) fn try_base(&mut self, engine: &dyn Engine) -> Option<Result<Arc<dyn View>>> {
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
    pub(super) fn new(name: String, engine: Arc<dyn Engine>, state: Arc<TransactionState>) -> Self {
        BranchInner { name, engine, state, reads: Arc::default(), own: Mutex::default(), queue: CallQueue::default() }
    }

    /// Names the engine in an error.
    pub(super) fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.engine.name())
    }

    /// Makes `call` on the caller's thread, unless earlier calls are queued.
    pub(super) fn at_once<T>(&self, call: impl FnOnce(&mut BranchState) -> Option<Result<T>>) -> Option<Result<T>> {
        if let Err(error) = self.state.check_pending() {
            return Some(Err(self.name_it(error)));
        }
        if !self.queue.is_idle() {
            return None;
        }
        call(&mut *self.own.try_lock()?).map(|result| result.map_err(|error| self.name_it(error)))
    }

    /// The view of the transaction at this moment.
    pub(super) fn view(&self, own: &BranchState, base: Arc<dyn View>) -> BranchView {
        BranchView {
            base,
            overlay: own.overlay.clone(),
            reads: self.reads.clone(),
            state: self.state.clone(),
            edits: own.edits,
        }
    }

    /// Notes a read, to be checked by the commit.
    pub(super) fn note(&self, space: Space, key: &[u8], found: Option<&Record>) {
        if !self.state.read_only {
            self.reads.lock().key(space, Key::copy_from_slice(key), found.map(|record| record.version));
        }
    }

    /// The record of a key as the transaction sees it, or `None` if that would have to wait.
    pub(super) fn try_get(&self, own: &mut BranchState, space: Space, key: &[u8]) -> Option<Result<Option<Record>>> {
        if let Some(written) = own.overlay.layer(space).get(key) {
            return Some(Ok(written));
        }
        let found = match own.try_base(&*self.engine)? {
            Ok(base) => base.try_get(space, key)?,
            Err(error) => Err(error),
        };
        if let Ok(found) = &found {
            self.note(space, key, found.as_ref());
        }
        Some(found)
    }
}
