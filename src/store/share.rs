//! An engine, and the share that an environment has of it.

use std::sync::{Arc, Weak};

use holdfast_core::engine::registry::Lease;
use holdfast_core::engine::watch::Watch;
use holdfast_core::engine::{Engine, Reply, Request, View, unexpected_reply};
use holdfast_core::error::{Error, Result};
use holdfast_core::threads::{self, guarded};
use parking_lot::Mutex;

use super::model::ModelCalls;
use crate::boundary::settle::{CallId, Leaving, Resident, Settled, Settler};

/// An open engine of one environment.
pub struct OpenStore {
    pub engine: Arc<dyn Engine>,
    lease: Mutex<Option<Lease>>,
    pub settler: Arc<Settler>,
    /// The watches of this environment. They end with its share.
    watches: Mutex<Vec<Weak<Watch>>>,
    /// The calls of models, those of its slots included. They end with the share, too.
    pub models: Arc<ModelCalls>,
    /// The outcome of the recovery of transactions that a crash had left, as JSON.
    pub recovered: Option<String>,
}

impl OpenStore {
    pub fn new(lease: Lease, recovered: Option<String>, settler: Arc<Settler>) -> Arc<Self> {
        let store = Arc::new(OpenStore {
            engine: lease.engine().clone(),
            lease: Mutex::new(Some(lease)),
            settler: settler.clone(),
            watches: Mutex::default(),
            models: Arc::default(),
            recovered,
        });
        settler.adopt(Leaving::Last, Arc::downgrade(&store) as Weak<dyn Resident>);
        store
    }

    /// An engine over this store, without a share of its own.
    pub fn over(&self, engine: Arc<dyn Engine>) -> Arc<Self> {
        Arc::new(OpenStore {
            engine,
            lease: Mutex::new(None),
            settler: self.settler.clone(),
            watches: Mutex::default(),
            models: self.models.clone(),
            recovered: None,
        })
    }

    /// True while the environment has a share of the store.
    pub fn is_held(&self) -> bool {
        self.lease.lock().is_some()
    }

    /// Gives the share back. The last share closes the store. Blocks.
    pub fn release(&self) -> Result<()> {
        let lease = self.lease.lock().take();
        let watches = std::mem::take(&mut *self.watches.lock());
        for watch in watches.iter().filter_map(Weak::upgrade) {
            watch.close(Error::closed().in_engine(self.engine.name()));
        }
        self.models.close(&Error::closed().in_engine(self.engine.name()));
        lease.map_or(Ok(()), Lease::close)
    }

    /// Remembers a watch, to end it with the share.
    pub fn adopt(&self, watch: &Arc<Watch>) {
        let mut watches = self.watches.lock();
        if watches.len() == watches.capacity() {
            watches.retain(|watch| watch.strong_count() > 0);
        }
        watches.push(Arc::downgrade(watch));
    }

    /// Runs `task`, which reads from a view, in the tier whose tasks may wait for everything for which the engine
    /// waits.
    pub fn spawn(&self, task: impl FnOnce(Result<()>) + Send + 'static) {
        if self.engine.capabilities().waits_for_javascript {
            threads::waiting(task);
        } else {
            threads::disk(task);
        }
    }

    /// Calls `run` on a thread of a pool, with a view that sees every write requested before.
    pub fn with_view(
        self: &Arc<Self>,
        id: CallId,
        run: impl FnOnce(Arc<dyn View>, &Arc<OpenStore>) -> Result<Settled> + Send + 'static,
    ) {
        let store = self.clone();
        let on_view = move |view: Result<Arc<dyn View>>| match view {
            Ok(view) => store.clone().spawn(move |started| {
                let settled = started.and_then(|()| guarded(|| run(view, &store)));
                store.post(id, settled.map_err(|error| store.name_it(error)));
            }),
            Err(error) => store.post(id, Err(error)),
        };
        match self.engine.try_view() {
            Some(view) => on_view(view),
            None => self.engine.submit(
                Request::View,
                Box::new(move |reply| {
                    on_view(reply.and_then(|reply| match reply {
                        Reply::View(view) => Ok(view),
                        _ => Err(unexpected_reply()),
                    }));
                }),
            ),
        }
    }

    /// Names the engine in an error that names none.
    pub fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.engine.name())
    }

    /// Settles a call.
    pub fn post(&self, id: CallId, settled: Result<Settled>) {
        self.settler.post(id, settled.unwrap_or_else(|error| Settled::Failed(Box::new(error))));
    }
}

impl Resident for OpenStore {
    fn leave(&self) {
        // There is no caller left for an error.
        let _ = self.release();
    }
}
