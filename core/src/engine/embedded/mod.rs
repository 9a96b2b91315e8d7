//! The queue in front of every engine that runs in this process. It answers from memory on the caller's thread where
//! that is possible, writes waiting batches as one group, and keeps the calls on each key in order.
//!
//! Invariants:
//!
//! - A write is unresolved from `submit` until its `done` is about to be called. Until then no read of its key is
//!   answered.
//! - A write never starts while an earlier read of its key is in the pool.
//! - A task that runs alone starts when no read is in the pool, and later calls wait for it.
//! - Tasks of the pool never wait for one another. A drain that has to let reads finish ends, and the last of those
//!   reads starts it again.

mod dispatch;
mod facets;
mod queue;
mod replacement;
mod store;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::dispatch::Dispatch;
pub use self::store::{Stage, Store};
use super::sweep;
use super::{Capabilities, Done, Engine, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched};
use crate::batch::{Batch, Commit};
use crate::error::{Error, Result};
use crate::key::{Key, Space};
use crate::value::Value;

/// An engine in this process: a [`Store`] with a queue in front of it.
pub struct Embedded<S: Store> {
    dispatch: Arc<Dispatch<S>>,
}

impl<S: Store> Embedded<S> {
    /// Puts the queue in front of `store`.
    pub fn new(store: S) -> Self {
        let dispatch = Dispatch::new(store);
        let weak = Arc::downgrade(&dispatch);
        sweep::register(weak);
        Embedded { dispatch }
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.dispatch.store
    }

    /// `CLOSED` once the engine is closed.
    fn check_open(&self) -> Result<()> {
        if self.dispatch.closed.load(Ordering::Acquire) { Err(self.dispatch.closed_error()) } else { Ok(()) }
    }

    fn name_it(&self, error: Error) -> Error {
        self.dispatch.name_it(error)
    }
}

impl<S: Store> Engine for Embedded<S> {
    fn name(&self) -> &'static str {
        self.dispatch.store.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.dispatch.store.capabilities()
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        if let Err(error) = self.check_open() {
            return Some(Err(error));
        }
        if self.dispatch.blocks_read(|| read.clone()) {
            return None;
        }
        self.dispatch.store.try_read(read).map(|result| result.map_err(|error| self.name_it(error)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        if let Err(error) = self.check_open() {
            return Some(Err(error));
        }
        if self.dispatch.blocks_read(|| Read::Get(space, Key::copy_from_slice(key))) {
            return None;
        }
        match self.dispatch.store.try_get(space, key)? {
            Err(error) => Some(Err(self.name_it(error))),
            found => Some(found),
        }
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        if let Err(error) = self.check_open().and_then(|()| batch.check_size().map_err(|error| self.name_it(error))) {
            return Some(Err(error));
        }
        if !self.dispatch.is_idle() {
            return None;
        }
        let store = &self.dispatch.store;
        let result = store.try_write(batch)?;
        store.counters().one(&result);
        Some(result.map_err(|error| self.name_it(error)))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        if let Err(error) = self.check_open() {
            return Some(Err(error));
        }
        if self.dispatch.has_queued() {
            return None;
        }
        self.dispatch.store.try_view().map(|result| result.map_err(|error| self.name_it(error)))
    }

    fn submit(&self, request: Request, done: Done) {
        self.dispatch.submit(request, done);
    }

    fn close(&self) -> Result<()> {
        self.dispatch.close()
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watched> {
        Some(self)
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        Some(self)
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        Some(self)
    }
}
