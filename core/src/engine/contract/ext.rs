use std::sync::{Arc, mpsc};

use super::{
    Engine, Maintained, Progress, Reply, Report, Request, Stats, Transactional, View, Watched, unexpected_reply,
};
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{Decision, Intent};
use crate::engine::watch::{Logged, Subscriber, Subscription};
use crate::error::{Code, Error, Result};

/// Comfort for whoever uses an engine; engines do not implement it. Every call but [`start_log`](EngineExt::start_log),
/// [`subscribe`](EngineExt::subscribe) and [`try_begin`](EngineExt::try_begin) blocks.
pub trait EngineExt: Engine {
    /// Submits a request and waits for its answer.
    fn wait(&self, request: Request) -> Result<Reply> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(
            request,
            Box::new(move |reply| {
                // The receiver waits below; it cannot be gone before it has the answer.
                let _ = sender.send(reply);
            }),
        );
        receiver.recv().unwrap_or_else(|_| Err(Error::closed()))
    }

    /// An ordered, read-only view that sees every write requested before it.
    fn view(&self) -> Result<Arc<dyn View>> {
        match self.wait(Request::View)? {
            Reply::View(view) => Ok(view),
            _ => Err(unexpected_reply()),
        }
    }

    /// Commits a batch and waits for it.
    fn commit(&self, batch: Batch) -> Result<Commit> {
        if let Some(result) = self.try_commit(&batch) {
            return result;
        }
        match self.wait(Request::Commit(batch))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(unexpected_reply()),
        }
    }

    /// [`Transactional::try_begin`]; an ordinary view where the engine takes no part in transactions.
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        match self.transactional() {
            Some(engine) => engine.try_begin(),
            None => self.try_view(),
        }
    }

    /// [`Transactional::prepare`].
    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        transactional(self)?.prepare(id, batch)
    }

    /// [`Transactional::resolve`].
    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        transactional(self)?.resolve(id, decision)
    }

    /// [`Transactional::intents`].
    fn intents(&self) -> Result<Vec<Intent>> {
        transactional(self)?.intents()
    }

    /// [`Watched::subscribe`].
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        watched(self)?.subscribe(subscriber)
    }

    /// [`Watched::start_log`]. Nothing, where the engine cannot be watched: [`logged`](EngineExt::logged) says so.
    fn start_log(&self) {
        if let Some(engine) = self.watched() {
            engine.start_log();
        }
    }

    /// [`Watched::logged`].
    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        watched(self)?.logged(since, max_bytes)
    }

    /// [`Maintained::stats`].
    fn stats(&self) -> Result<Stats> {
        maintained(self, "stats")?.stats()
    }

    /// [`Maintained::verify`].
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        maintained(self, "verify")?.verify(repair, progress)
    }

    /// [`Maintained::compact`].
    fn compact(&self) -> Result<()> {
        maintained(self, "compact")?.compact()
    }
}

impl<E: Engine + ?Sized> EngineExt for E {}

fn lacks<E: Engine + ?Sized>(engine: &E, message: String) -> Error {
    Error::new(Code::NotSupported, message).in_engine(engine.name())
}

fn transactional<E: Engine + ?Sized>(engine: &E) -> Result<&dyn Transactional> {
    engine.transactional().ok_or_else(|| lacks(engine, "this engine takes no part in transactions".into()))
}

fn watched<E: Engine + ?Sized>(engine: &E) -> Result<&dyn Watched> {
    engine.watched().ok_or_else(|| lacks(engine, "this engine cannot be watched".into()))
}

fn maintained<'a, E: Engine + ?Sized>(engine: &'a E, call: &str) -> Result<&'a dyn Maintained> {
    // Only the branch of a transaction has no maintenance.
    engine.maintained().ok_or_else(|| lacks(engine, format!("a transaction has no {call}; ask its engine")))
}
