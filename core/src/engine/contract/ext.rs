use std::sync::{Arc, mpsc};

use super::{
    Engine, Maintained, Progress, Read, Reply, Report, Request, Staging, Stats, Transactional, View, Watched,
    unexpected_reply,
};
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{Decision, Intent};
use crate::engine::watch::{Logged, Subscriber, Subscription, not_watchable};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::Record;

/// Calls for the users of an engine: they wait for answers, and reach the facets. Every engine has them.
///
/// Every call but [`start_log`](EngineExt::start_log), [`subscribe`](EngineExt::subscribe) and
/// [`try_begin`](EngineExt::try_begin) blocks. A call of a facet fails with `NOT_SUPPORTED` if the engine lacks it.
///
/// # Examples
///
/// ```
/// use holdfast_core::engine::{EngineExt, memory};
/// use holdfast_core::{Batch, Op, Space, Value};
///
/// let engine = memory::open(memory::MemoryOptions::default());
/// let commit = engine.commit(Batch::one(Op::set("k", Value::json("1"))))?;
/// let view = engine.view()?;
/// assert_eq!(view.seq(), commit.seq);
/// assert!(view.get(Space::User, b"k")?.is_some());
/// assert_eq!(engine.stats()?.keys, Some(1));
/// # Ok::<(), holdfast_core::Error>(())
/// ```
pub trait EngineExt: Engine {
    /// Submits a request and waits for its answer.
    ///
    /// # Errors
    ///
    /// The error of the request; `CLOSED` if the engine is closed.
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

    /// The record of a key, behind every write requested before.
    ///
    /// # Errors
    ///
    /// `CLOSED` if the engine is closed, or an error of its medium.
    fn record(&self, space: Space, key: &Key) -> Result<Option<Record>> {
        let read = Read::Entry(space, key.clone());
        let reply = match self.try_read(&read) {
            Some(reply) => reply?,
            None => self.wait(Request::Read(read))?,
        };
        match reply {
            Reply::Entry(record) => Ok(record),
            _ => Err(unexpected_reply()),
        }
    }

    /// Makes a view that sees every write requested before it.
    ///
    /// # Errors
    ///
    /// `CLOSED` if the engine is closed, or an error of its medium.
    fn view(&self) -> Result<Arc<dyn View>> {
        match self.wait(Request::View)? {
            Reply::View(view) => Ok(view),
            _ => Err(unexpected_reply()),
        }
    }

    /// Commits a batch, and waits until it is as durable as the store promises.
    ///
    /// # Errors
    ///
    /// `CONFLICT` if a check does not hold or an intent holds a key, `LOCKED` if that intent is left of a crash,
    /// `INVALID_ARGUMENT` for an addition to another type than a number, `VALUE_TOO_LARGE` for a batch over its limit,
    /// `READ_ONLY`, `NO_SPACE`, `CLOSED`, or an error of the medium. `UNKNOWN_OUTCOME` if the engine cannot tell
    /// whether the batch took effect.
    fn commit(&self, batch: Batch) -> Result<Commit> {
        if let Some(result) = self.try_commit(&batch) {
            return result;
        }
        match self.wait(Request::Commit(batch))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(unexpected_reply()),
        }
    }

    /// Makes a view for a transaction at once: [`Transactional::try_begin`]. An engine without the facet makes an
    /// ordinary view.
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        match self.transactional() {
            Some(engine) => engine.try_begin(),
            None => self.try_view(),
        }
    }

    /// Stores the writes of a transaction as an intent: [`Transactional::prepare`].
    ///
    /// # Errors
    ///
    /// Those of [`Transactional::prepare`]; `NOT_SUPPORTED` without the facet.
    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        transactional(self)?.prepare(id, batch)
    }

    /// Ends an intent: [`Transactional::resolve`].
    ///
    /// # Errors
    ///
    /// Those of [`Transactional::resolve`]; `NOT_SUPPORTED` without the facet.
    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        transactional(self)?.resolve(id, decision)
    }

    /// The intents that stand: [`Transactional::intents`].
    ///
    /// # Errors
    ///
    /// Those of [`Transactional::intents`]; `NOT_SUPPORTED` without the facet.
    fn intents(&self) -> Result<Vec<Intent>> {
        transactional(self)?.intents()
    }

    /// Subscribes to commits: [`Watched::subscribe`].
    ///
    /// # Errors
    ///
    /// Those of [`Watched::subscribe`]; `NOT_SUPPORTED` without the facet.
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        watched(self)?.subscribe(subscriber)
    }

    /// Switches the change log on: [`Watched::start_log`]. An engine without the facet does nothing, and
    /// [`logged`](EngineExt::logged) fails.
    fn start_log(&self) {
        if let Some(engine) = self.watched() {
            engine.start_log();
        }
    }

    /// Reads a page of the change log: [`Watched::logged`].
    ///
    /// # Errors
    ///
    /// Those of [`Watched::logged`]; `NOT_SUPPORTED` without the facet.
    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        watched(self)?.logged(since, max_bytes)
    }

    /// Figures about the store: [`Maintained::stats`].
    ///
    /// # Errors
    ///
    /// Those of [`Maintained::stats`]; `NOT_SUPPORTED` without the facet.
    fn stats(&self) -> Result<Stats> {
        maintained(self, "stats")?.stats()
    }

    /// Checks every record: [`Maintained::verify`].
    ///
    /// # Errors
    ///
    /// Those of [`Maintained::verify`]; `NOT_SUPPORTED` without the facet.
    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        maintained(self, "verify")?.verify(repair, progress)
    }

    /// Gives back free space: [`Maintained::compact`].
    ///
    /// # Errors
    ///
    /// Those of [`Maintained::compact`]; `NOT_SUPPORTED` without the facet.
    fn compact(&self) -> Result<()> {
        maintained(self, "compact")?.compact()
    }

    /// Begins a replacement of the whole content: [`Replaceable::stage`](super::Replaceable::stage).
    ///
    /// # Errors
    ///
    /// Those of [`Replaceable::stage`](super::Replaceable::stage); `NOT_SUPPORTED` without the facet.
    fn stage(&self) -> Result<Box<dyn Staging>> {
        match self.replaceable() {
            Some(engine) => engine.stage(),
            None => Err(lacks(self, "the content of this engine cannot be replaced in one step".into())),
        }
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
    engine.watched().ok_or_else(|| not_watchable(engine))
}

fn maintained<'a, E: Engine + ?Sized>(engine: &'a E, call: &str) -> Result<&'a dyn Maintained> {
    // Only the branch of a transaction has no maintenance.
    engine.maintained().ok_or_else(|| lacks(engine, format!("a transaction has no {call}; ask its engine")))
}
