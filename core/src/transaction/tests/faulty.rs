//! A store that fails or dies where a test says, and one without atomic batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::super::log::fault_injector::FaultInjector;
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{self, Decision, Intent};
use crate::engine::{
    Capabilities, Done, Engine, EngineExt, Maintained, Read, Replaceable, Reply, Request, Transactional, View, Watched,
};
use crate::error::{Code, Error, Result};
use crate::key::Space;
use crate::value::Value;

/// Called by a store before it writes.
pub(super) type Hook = Arc<dyn Fn(&'static str) -> Result<()> + Send + Sync>;

/// Called by a store before it prepares an intent.
pub(super) type PrepareHook = Arc<dyn Fn(IntentId, &Batch) -> Result<()> + Send + Sync>;

/// A store with injected faults: each write has a step before it and a step after it. It looks as if it outlives its
/// process.
pub(super) struct Faulty {
    inner: Arc<dyn Engine>,
    faults: Option<Arc<FaultInjector>>,
    hook: Mutex<Option<Hook>>,
    prepare_hook: Mutex<Option<PrepareHook>>,
    /// Writes one operation at a time only.
    plain: bool,
    /// Has no snapshots.
    moving: AtomicBool,
}

impl Faulty {
    pub(super) fn new(inner: &Arc<dyn Engine>, faults: Option<&Arc<FaultInjector>>) -> Arc<Self> {
        Self::with(inner, faults, false)
    }

    /// One without atomic batches.
    pub(super) fn plain(inner: &Arc<dyn Engine>, faults: Option<&Arc<FaultInjector>>) -> Arc<Self> {
        Self::with(inner, faults, true)
    }

    fn with(inner: &Arc<dyn Engine>, faults: Option<&Arc<FaultInjector>>, plain: bool) -> Arc<Self> {
        Arc::new(Faulty {
            inner: inner.clone(),
            faults: faults.cloned(),
            hook: Mutex::default(),
            prepare_hook: Mutex::default(),
            plain,
            moving: AtomicBool::new(false),
        })
    }

    /// Has no snapshots from now on.
    pub(super) fn move_on(&self) {
        self.moving.store(true, Ordering::SeqCst);
    }

    pub(super) fn hook(&self, hook: impl Fn(&'static str) -> Result<()> + Send + Sync + 'static) {
        *self.hook.lock() = Some(Arc::new(hook));
    }

    pub(super) fn hook_prepare(&self, hook: impl Fn(IntentId, &Batch) -> Result<()> + Send + Sync + 'static) {
        *self.prepare_hook.lock() = Some(Arc::new(hook));
    }

    fn write<T>(&self, what: &'static str, write: impl FnOnce() -> Result<T>) -> Result<T> {
        let step = || match &self.faults {
            Some(faults) => faults.pass().map_err(|_| Error::new(Code::UnknownOutcome, "no answer")),
            None => Ok(()),
        };
        step()?;
        let hook = self.hook.lock().clone();
        hook.map_or(Ok(()), |hook| hook(what))?;
        let answer = write()?;
        step()?;
        Ok(answer)
    }

    fn alive(&self) -> Result<()> {
        match &self.faults {
            Some(faults) if faults.dead() => Err(Error::new(Code::Connection, "the process died")),
            _ => Ok(()),
        }
    }
}

impl Faulty {
    fn write_batch(&self, batch: Batch) -> Result<Commit> {
        if self.plain && batch.ops.len() > 1 {
            return Err(Error::new(Code::NotSupported, "one operation at a time"));
        }
        if batch.ops.is_empty() {
            self.alive()?;
            return self.inner.commit(batch);
        }
        self.write("commit", || self.inner.commit(batch))
    }
}

impl Engine for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn capabilities(&self) -> Capabilities {
        let snapshots = !self.moving.load(Ordering::SeqCst);
        Capabilities { snapshots, atomic_batch: !self.plain, volatile: false, ..self.inner.capabilities() }
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        self.alive().err().map(Err).or_else(|| self.inner.try_read(read))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        self.alive().err().map(Err).or_else(|| self.inner.try_get(space, key))
    }

    fn try_commit(&self, _: &Batch) -> Option<Result<Commit>> {
        None
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    fn submit(&self, request: Request, done: Done) {
        match request {
            Request::Commit(batch) => done(self.write_batch(batch).map(Reply::Commit)),
            request => match self.alive() {
                Ok(()) => self.inner.submit(request, done),
                Err(error) => done(Err(error)),
            },
        }
    }

    fn close(&self) -> Result<()> {
        self.inner.close()
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watched> {
        None
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        self.inner.maintained()
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        self.inner.replaceable()
    }
}

impl Transactional for Faulty {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        assert!(!self.plain, "no intents without atomic batches");
        let hook = self.prepare_hook.lock().clone();
        hook.map_or(Ok(()), |hook| hook(id, &batch))?;
        self.write("prepare", || self.inner.commit(intent::prepare(id, batch)))
    }

    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        assert!(!self.plain, "no intents without atomic batches");
        self.write("resolve", || self.inner.resolve(id, decision))
    }

    fn intents(&self) -> Result<Vec<Intent>> {
        self.inner.intents()
    }
}
