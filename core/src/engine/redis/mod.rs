//! The redis engine: values lie on a server as the JSON text other clients read, one connection carries whatever
//! is under way, and what must hold together is one transaction or one script of the server.
//!
//! Calls take effect in order because one connection sends them in order. The one exception, a batch that
//! deletes a range of user keys, takes many steps: what comes after it is held until it is over.

mod argument;
mod arguments;
mod delete_range;
mod fault;
mod feed;
mod link;
mod maintenance;
mod options;
mod outcome;
mod pool;
mod read;
mod scan;
mod script;
mod stream;
mod validation;
mod view;
mod write;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use self::fault::ENGINE;
use self::feed::Follower;
use self::layout::Layout;
use self::link::Link;
use self::link::call::What;
use self::options::Settings;
pub use self::options::{RedisOptions, TlsOptions};
use self::pool::Scans;
use self::view::RedisView;
use self::write::Work;
use super::intent::{self, Decision, Intent};
use super::registry::Lease;
use super::watch::{Logged, Subscriber, Subscription, Watching};
use super::{
    Capabilities, Done, Engine, EngineExt, Maintained, Progress, Read, Replaceable, Reply, Report, Request, Stats,
    Transactional, View, Watched,
};
use crate::batch::{Batch, Commit, IntentId};
use crate::error::{Error, Result};
use crate::format::redis as layout;
use crate::key::Space;
use crate::threads::Worker;
use crate::value::Value;

/// Connects to a server. INVALID_ARGUMENT for options that make no sense, CONNECTION if it cannot be reached or
/// refuses the login, NOT_SUPPORTED for a server older than 7.0. Blocks, at most the connect timeout.
pub fn open(options: RedisOptions) -> Result<Lease> {
    let settings = Settings::new(options).map_err(|error| error.in_engine(ENGINE))?;
    let link = Arc::new(Link::open(&settings)?);
    let shared = Shared {
        scans: Arc::new(Scans::new(&settings, link.clone())),
        link,
        follower: Follower::new(&settings),
        worker: Worker::new("holdfast-redis-wide"),
        layout: Layout::new(&settings.key_prefix),
        gate: Mutex::default(),
        gate_free: Condvar::new(),
        closed: AtomicBool::new(false),
        settings,
    };
    Ok(Lease::private(Arc::new(Redis { shared: Arc::new(shared) })))
}

/// An open store on a server.
struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    layout: Layout,
    /// Carries everything but scans.
    link: Arc<Link>,
    scans: Arc<Scans>,
    follower: Follower,
    /// Carries out requests of many steps; the gate lets one at a time through.
    worker: Worker,
    gate: Mutex<Gate>,
    gate_free: Condvar,
    closed: AtomicBool,
}

/// Keeps calls behind a batch that takes many steps.
#[derive(Default)]
struct Gate {
    /// A request of many steps runs; `held` is not looked at before it is over.
    shut: bool,
    /// That request only lists keys: reads may pass it.
    listing: bool,
    held: VecDeque<(Request, Done)>,
}

/// The error of a call on a closed engine.
fn closed() -> Error {
    Error::closed().in_engine(ENGINE)
}

impl Engine for Redis {
    fn name(&self) -> &'static str {
        ENGINE
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            snapshots: false,
            atomic_batch: true,
            atomic_clear: false,
            timestamps: self.shared.settings.timestamps,
            watch: Watching::Shared,
            multi_process: true,
            sync: false,
            volatile: false,
            waits_for_javascript: false,
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
        let shared = &self.shared;
        let done = named(done);
        if shared.closed.load(Ordering::Acquire) {
            return done(Err(closed()));
        }
        {
            let mut gate = shared.gate.lock();
            let passes = gate.listing && gate.held.is_empty() && matches!(request, Request::Read(_));
            if gate.shut && !passes {
                gate.held.push_back((request, done));
                return;
            }
            if !gate.shut {
                gate.shut = is_wide(&request);
                gate.listing = is_listing(&request);
            }
        }
        shared.start(request, done);
    }

    fn close(&self) -> Result<()> {
        let shared = &*self.shared;
        let mut gate = shared.gate.lock();
        shared.closed.store(true, Ordering::Release);
        while gate.shut {
            shared.gate_free.wait(&mut gate);
        }
        drop(gate);
        shared.follower.close(&shared.link);
        shared.link.close();
        shared.scans.close();
        Ok(())
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
        None
    }
}

impl Transactional for Redis {
    fn try_begin(&self) -> Option<Result<Arc<dyn View>>> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Some(Err(closed()));
        }
        Some(Ok(Arc::new(RedisView::fitting(self.shared.clone()))))
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

impl Watched for Redis {
    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.shared.follower.subscribe(subscriber).map_err(|error| error.in_engine(ENGINE))
    }

    fn start_log(&self) {
        let pipe = stream::open(&self.shared.layout, &self.shared.layout.log, None);
        // What fails here, reading the log tells.
        self.shared.link.submit(What::commands(&pipe, true, Box::new(drop)));
    }

    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        self.shared.running(|shared| stream::logged(&shared.link, &shared.layout, since, max_bytes))
    }
}

impl Maintained for Redis {
    fn stats(&self) -> Result<Stats> {
        self.shared.running(|shared| {
            let mut stats = maintenance::stats(&*shared.scans.link()?, &shared.layout)?;
            let (seq, floor) = stream::standing(&*shared.scans.link()?, &shared.layout)?;
            stats.commit = Some(seq);
            stats.log_floor = floor;
            stats.counts = shared.link.counts();
            stats.details.push(("reconnects", shared.link.reconnects()));
            Ok(stats)
        })
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let verify = |shared: &Shared| maintenance::verify(&*shared.scans.link()?, &shared.layout, repair, progress);
        let mut report = self.shared.running(verify)?;
        intent::verify(self, repair, &mut report)?;
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.shared.running(|shared| maintenance::compact(&*shared.scans.link()?, &shared.layout))
    }
}

/// Names the engine in every error.
fn named(done: Done) -> Done {
    Box::new(move |result| done(result.map_err(|error| error.in_engine(ENGINE))))
}

impl Shared {
    /// Waits until a request of many steps is over, and what was requested behind it is sent.
    fn await_turn(&self) -> Result<()> {
        let mut gate = self.gate.lock();
        while gate.shut && !(gate.listing && gate.held.is_empty()) {
            self.gate_free.wait(&mut gate);
        }
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    fn running<T>(&self, call: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        call(self).map_err(|error| error.in_engine(ENGINE))
    }

    /// Sends a request, or starts the steps of one for which the gate was shut.
    fn start(self: &Arc<Self>, request: Request, done: Done) {
        match request {
            Request::Read(read) => read::submit(&self.link, &self.layout, read, done),
            Request::View => self.fence(done),
            request if is_wide(&request) => {
                let shared = self.clone();
                // Tasks of transactions may all be waiting for this.
                self.worker.spawn(move |started| match (started, request) {
                    (Ok(()), Request::Commit(batch)) => shared.run_wide(batch, done),
                    (Ok(()), request) => shared.run_listing(&request, done),
                    (Err(error), _) => {
                        done(Err(error));
                        shared.release();
                    }
                });
            }
            Request::Commit(batch) => self.enqueue_batch(batch, done),
            Request::Keys(_) | Request::Count(_) => done(Err(crate::engine::unexpected_reply())),
        }
    }

    fn enqueue_batch(&self, batch: Batch, done: Done) {
        if let Err(error) = batch.check_size() {
            return done(Err(error));
        }
        if let Some(work) = Work::new(batch, done) {
            self.link.submit(What::Commit { work, again: false });
        }
    }

    /// A view, once the server has carried out every write before it: scans use another connection.
    fn fence(self: &Arc<Self>, done: Done) {
        let mut pipe = ::redis::pipe();
        pipe.cmd("PING");
        let (scans, layout) = (self.scans.clone(), self.layout.clone());
        let settle: link::call::Settle =
            Box::new(move |answer| done(answer.map(|_| Reply::View(Arc::new(RedisView::new(scans, layout))))));
        self.link.submit(What::commands(&pipe, false, settle));
    }

    /// Lists keys once every write before it is carried out, and then lets what was held go.
    fn run_listing(self: &Arc<Self>, request: &Request, done: Done) {
        let mut pipe = ::redis::pipe();
        pipe.cmd("PING");
        let listed = self.link.call(&pipe, false).and_then(|_| {
            let view = RedisView::new(self.scans.clone(), self.layout.clone());
            crate::engine::list(&view, request)
        });
        done(listed);
        self.release();
    }

    /// Carries out a batch of many steps, and then what was held meanwhile.
    fn run_wide(self: &Arc<Self>, batch: Batch, done: Done) {
        let committed = batch.check_size().and_then(|()| delete_range::delete_wide(&self.link, &self.layout, batch));
        done(committed.map(Reply::Commit));
        self.release();
    }

    /// Sends what was held, in order, up to the next batch of many steps.
    fn release(self: &Arc<Self>) {
        loop {
            let (request, done) = {
                let mut gate = self.gate.lock();
                let Some(held) = gate.held.pop_front() else {
                    gate.shut = false;
                    self.gate_free.notify_all();
                    return;
                };
                held
            };
            let wide = is_wide(&request);
            self.gate.lock().listing = is_listing(&request);
            self.start(request, done);
            if wide {
                return;
            }
        }
    }
}

/// True for a request of many steps.
fn is_wide(request: &Request) -> bool {
    is_listing(request) || matches!(request, Request::Commit(batch) if delete_range::is_wide(batch))
}

fn is_listing(request: &Request) -> bool {
    matches!(request, Request::Keys(_) | Request::Count(_))
}
