//! Where a transaction's view of a store takes its place: made once and used by one transaction after another, as making
//! the functions of a store costs more than a short transaction.

use std::sync::Arc;

use holdfast_core::batch::{Batch, Commit};
use holdfast_core::engine::{Capabilities, Done, Engine, Progress, Read, Reply, Report, Request, Stats, View};
use holdfast_core::error::{Code, Error, Result};
use holdfast_core::key::Space;
use holdfast_core::value::Value;
use parking_lot::Mutex;

use crate::store::Shared;

/// A store as whichever transaction sees it that entered last.
pub struct Place {
    /// Kept alive by whoever may still call.
    pub beneath: Arc<Shared>,
    part: Mutex<Option<Arc<dyn Engine>>>,
}

impl Place {
    pub fn over(beneath: Arc<Shared>) -> Arc<Self> {
        Arc::new(Place { beneath, part: Mutex::new(None) })
    }

    /// Calls go to `part` from now on.
    pub fn enter(&self, part: Arc<dyn Engine>) {
        *self.part.lock() = Some(part);
    }

    fn part(&self) -> Result<Arc<dyn Engine>> {
        self.part.lock().clone().ok_or_else(empty)
    }

    fn at_once<T>(&self, call: impl FnOnce(&dyn Engine) -> Option<Result<T>>) -> Option<Result<T>> {
        self.part.lock().as_deref().map_or_else(|| Some(Err(empty())), call)
    }
}

fn empty() -> Error {
    Error::new(Code::TransactionCompleted, "Transaction already completed")
}

impl Engine for Place {
    fn name(&self) -> &'static str {
        self.beneath.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.beneath.engine.capabilities()
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.at_once(|part| part.try_read(read))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.at_once(|part| part.try_get(space, key))
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        self.at_once(|part| part.try_commit(batch))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        self.at_once(|part| part.try_view())
    }

    fn submit(&self, request: Request, done: Done) {
        match self.part() {
            Ok(part) => part.submit(request, done),
            Err(error) => done(Err(error)),
        }
    }

    fn waits(&self) -> bool {
        self.beneath.engine.waits()
    }

    fn stats(&self) -> Result<Stats> {
        self.part()?.stats()
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        self.part()?.verify(repair, progress)
    }

    fn compact(&self) -> Result<()> {
        self.part()?.compact()
    }

    fn close(&self) -> Result<()> {
        self.part()?.close()
    }
}
