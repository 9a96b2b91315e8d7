//! The engine of a host as an [`Engine`] with its facets. Its calls run one after the other, on a worker of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::client::HostClient;
use super::host::Host;
use super::view::CustomView;
use super::{maintenance, write};
use crate::batch::{Batch, Commit, IntentId};
use crate::engine::intent::{self, Decision, Intent};
use crate::engine::watch::Watching;
use crate::engine::{
    Capabilities, Done, Engine, EngineExt, Maintained, Progress, Read, Replaceable, Reply, Report, Request, Stats,
    Transactional, View, Watched, list,
};
use crate::error::{Error, Result};
use crate::key::Space;
use crate::threads::{Worker, guarded};
use crate::value::Value;

pub(super) struct CustomStore {
    inner: Arc<StoreInner>,
}

struct StoreInner {
    client: Arc<HostClient>,
    queue: Mutex<RequestQueue>,
    /// Makes the calls. It is of this engine alone, because a host may use another engine of the user's own.
    worker: Worker,
    /// Nothing is queued or runs.
    idle: Condvar,
}

#[derive(Default)]
struct RequestQueue {
    requests: VecDeque<(Request, Done)>,
    /// The worker works through the queue.
    running: bool,
    closed: bool,
}

impl CustomStore {
    pub(super) fn new(host: Arc<dyn Host>) -> Self {
        let inner = StoreInner {
            client: Arc::new(HostClient::new(host)),
            queue: Mutex::default(),
            worker: Worker::new("holdfast-custom"),
            idle: Condvar::new(),
        };
        CustomStore { inner: Arc::new(inner) }
    }
}

impl StoreInner {
    /// Answers the queued requests, one after the other.
    fn work(&self, started: &Result<()>) {
        while let Some((request, done)) = self.next() {
            let answer = started.clone().and_then(|()| guarded(|| self.answer(request)));
            done(answer.map_err(|error| error.in_engine(self.client.traits.name)));
        }
    }

    /// The next queued request; `None` ends the run.
    fn next(&self) -> Option<(Request, Done)> {
        let mut queue = self.queue.lock();
        let next = queue.requests.pop_front();
        if next.is_none() {
            queue.running = false;
            self.idle.notify_all();
        }
        next
    }

    fn answer(&self, request: Request) -> Result<Reply> {
        let client = &self.client;
        match request {
            Request::Read(read) => read.answer(|space, key| client.get(space, key, false).map(|(record, _)| record)),
            Request::Commit(batch) => write::write(client, &batch).map(Reply::Commit),
            Request::View => Ok(Reply::View(Arc::new(CustomView::new(client)))),
            request => list(&CustomView::new(client), &request),
        }
    }
}

impl Engine for CustomStore {
    fn name(&self) -> &'static str {
        self.inner.client.traits.name
    }

    fn capabilities(&self) -> Capabilities {
        let atomic_batch = self.inner.client.traits.atomic_batch;
        Capabilities {
            snapshots: false,
            atomic_batch,
            // One batch deletes a range.
            atomic_clear: atomic_batch,
            timestamps: false,
            watch: Watching::None,
            multi_process: false,
            sync: false,
            volatile: false,
            waits_for_javascript: true,
        }
    }

    fn try_read(&self, _read: &Read) -> Option<Result<Reply>> {
        None
    }

    fn try_get(&self, _space: Space, _key: &[u8]) -> Option<Result<Option<Value>>> {
        None
    }

    fn try_commit(&self, _batch: &Batch) -> Option<Result<Commit>> {
        None
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        None
    }

    fn submit(&self, request: Request, done: Done) {
        let mut queue = self.inner.queue.lock();
        if queue.closed {
            drop(queue);
            return done(Err(Error::closed().in_engine(self.name())));
        }
        queue.requests.push_back((request, done));
        if !queue.running {
            queue.running = true;
            drop(queue);
            let inner = self.inner.clone();
            self.inner.worker.spawn(move |started| inner.work(&started));
        }
    }

    fn close(&self) -> Result<()> {
        let mut queue = self.inner.queue.lock();
        queue.closed = true;
        while queue.running {
            self.inner.idle.wait(&mut queue);
        }
        drop(queue);
        self.inner.client.close();
        Ok(())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }

    fn watched(&self) -> Option<&dyn Watched> {
        None
    }

    fn maintained(&self) -> Option<&dyn Maintained> {
        Some(self)
    }

    fn replaceable(&self) -> Option<&dyn Replaceable> {
        None
    }
}

impl Transactional for CustomStore {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        Some(Ok(Arc::new(CustomView::of_transaction(&self.inner.client))))
    }

    fn prepare(&self, id: IntentId, batch: Batch) -> Result<Commit> {
        intent::commit_intent(self, id, batch)
    }

    fn resolve(&self, id: IntentId, decision: Decision) -> Result<Option<Commit>> {
        intent::resolve(self, id, decision)
    }

    fn intents(&self) -> Result<Vec<Intent>> {
        intent::standing(&*self.view()?)
    }
}

impl Maintained for CustomStore {
    fn stats(&self) -> Result<Stats> {
        Ok(Stats::default())
    }

    fn verify(&self, _repair: bool, progress: Progress<'_>) -> Result<Report> {
        maintenance::verify(&self.inner.client, progress)
    }

    fn compact(&self) -> Result<()> {
        Ok(())
    }
}
