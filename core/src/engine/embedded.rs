//! The queue in front of every engine that lives in this process: it answers what memory can answer on
//! the caller's thread, groups waiting writes into one commit, and keeps calls in order by key.
//!
//! Invariants: a write is unresolved from `submit` until its `done` is about to be called, and until then no
//! read of its key is answered; a write never starts while an earlier read of its key is in the pool. Pool
//! tasks never wait for one another: a drain that must let reads finish ends, and the last read restarts it.

mod order;
mod store;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use self::order::{State, Work};
pub use self::store::Store;
use super::intent;
use super::sweep::{self, Sweep};
use super::watch::{self, Logged, Subscriber, Subscription};
use super::{Capabilities, Done, Engine, Progress, Read, Reply, Report, Request, Stats, View, spawn_blocking};
use crate::batch::{Batch, Commit};
use crate::error::{Code, Error, Result};
use crate::key::{Key, Space};
use crate::record::Millis;
use crate::value::Value;

/// An engine in this process: a [`Store`] behind its queue.
pub struct Embedded<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    store: S,
    me: Weak<Shared<S>>,
    /// Requests in the queue or in the running group.
    queued: AtomicUsize,
    /// Reads in the pool.
    reading: AtomicUsize,
    /// Listings in the pool.
    listing: AtomicUsize,
    closed: AtomicBool,
    state: Mutex<State>,
    quiet: Condvar,
}

impl<S: Store> Embedded<S> {
    /// Puts the queue in front of `store`.
    pub fn new(store: S) -> Self {
        let shared = Arc::new_cyclic(|me| Shared {
            store,
            me: me.clone(),
            queued: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
            listing: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            state: Mutex::default(),
            quiet: Condvar::new(),
        });
        let weak = Arc::downgrade(&shared);
        sweep::register(weak);
        Embedded { shared }
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.shared.store
    }
}

impl<S: Store> Engine for Embedded<S> {
    fn name(&self) -> &'static str {
        self.shared.store.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.store.capabilities()
    }

    fn is_volatile(&self) -> bool {
        self.shared.store.is_volatile()
    }

    fn try_read(&self, read: &Read) -> Option<Result<Reply>> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Some(Err(shared.closed_error()));
        }
        if shared.queued.load(Ordering::Acquire) > 0 && shared.state.lock().blocks_read(read) {
            return None;
        }
        shared.store.try_read(read).map(|result| result.map_err(|error| shared.name_it(error)))
    }

    fn try_get(&self, space: Space, key: &[u8]) -> Option<Result<Option<Value>>> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Some(Err(shared.closed_error()));
        }
        if shared.queued.load(Ordering::Acquire) > 0 {
            let read = Read::Get(space, Key::copy_from_slice(key));
            if shared.state.lock().blocks_read(&read) {
                return None;
            }
        }
        match shared.store.try_get(space, key)? {
            Err(error) => Some(Err(shared.name_it(error))),
            found => Some(found),
        }
    }

    fn try_commit(&self, batch: &Batch) -> Option<Result<Commit>> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Some(Err(shared.closed_error()));
        }
        if let Err(error) = batch.check_size() {
            return Some(Err(shared.name_it(error)));
        }
        if shared.queued.load(Ordering::Acquire) > 0 || shared.reading.load(Ordering::Acquire) > 0 {
            return None;
        }
        let result = shared.store.try_write(batch)?;
        shared.store.counters().one(&result);
        Some(result.map_err(|error| shared.name_it(error)))
    }

    fn try_view(&self) -> Option<Result<Arc<dyn View>>> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Some(Err(shared.closed_error()));
        }
        if shared.queued.load(Ordering::Acquire) > 0 {
            return None;
        }
        shared.store.try_view().map(|result| result.map_err(|error| shared.name_it(error)))
    }

    fn submit(&self, request: Request, done: Done) {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        if shared.closed.load(Ordering::Acquire) {
            drop(state);
            return done(Err(shared.closed_error()));
        }
        if let Some(view) = shared.listing_view(&state, &request) {
            drop(state);
            return shared.list(view, request, done);
        }
        match request {
            Request::Read(read) if !state.blocks_read(&read) => {
                state.count_reads(&read);
                shared.reading.fetch_add(1, Ordering::AcqRel);
                drop(state);
                let shared = shared.clone();
                spawn_blocking(move || shared.run_read(&read, done));
            }
            Request::Commit(batch) if batch.check_size().is_err() => {
                drop(state);
                let error = batch.check_size().err().unwrap_or_else(Error::closed);
                done(Err(shared.name_it(error)));
            }
            request => {
                if let Request::Commit(batch) = &request {
                    state.count_writes(batch);
                }
                shared.queued.fetch_add(1, Ordering::AcqRel);
                state.queue.push_back((request, done));
                shared.start_drain(&mut state);
            }
        }
    }

    fn subscribe(&self, subscriber: Arc<dyn Subscriber>) -> Result<Subscription> {
        let shared = &*self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Err(shared.closed_error());
        }
        if shared.store.capabilities().watch == watch::Watching::None {
            return Err(watch::not_watchable(self));
        }
        let subscription = shared.store.feed().subscribe(subscriber);
        shared.store.watched().map_err(|error| shared.name_it(error))?;
        Ok(subscription)
    }

    fn start_log(&self) {
        // CONFLICT means that it is on.
        self.submit(Request::Commit(watch::switch_on_if_off()), Box::new(|_| {}));
    }

    fn logged(&self, since: u64, max_bytes: usize) -> Result<Logged> {
        loop {
            let view = self.view()?;
            let Some(batch) = watch::switch_on(&*view, None).map_err(|error| self.shared.name_it(error))? else {
                return watch::page(&*view, since, max_bytes).map_err(|error| self.shared.name_it(error));
            };
            match self.commit(batch) {
                Err(error) if error.code() != Code::Conflict => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn stats(&self) -> Result<Stats> {
        self.shared.running(|store| {
            let mut stats = store.stats()?;
            stats.counts = store.counters().counts();
            let view = store.view()?;
            stats.commit = Some(view.seq());
            stats.log_floor = watch::floor(&*view)?;
            Ok(stats)
        })
    }

    fn verify(&self, repair: bool, progress: Progress<'_>) -> Result<Report> {
        let mut report = self.shared.running(|store| store.verify(repair, progress))?;
        intent::verify(self, repair, &mut report)?;
        Ok(report)
    }

    fn compact(&self) -> Result<()> {
        self.shared.running(Store::compact)
    }

    fn close(&self) -> Result<()> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        shared.closed.store(true, Ordering::Release);
        while state.draining || !state.queue.is_empty() || shared.in_the_pool() {
            shared.quiet.wait(&mut state);
        }
        if std::mem::replace(&mut state.finished, true) {
            return Ok(());
        }
        drop(state);
        shared.store.feed().end(&shared.closed_error(), true);
        shared.store.close().map_err(|error| shared.name_it(error))
    }
}

impl<S: Store> Shared<S> {
    fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.store.name())
    }

    fn in_the_pool(&self) -> bool {
        self.reading.load(Ordering::Acquire) > 0 || self.listing.load(Ordering::Acquire) > 0
    }

    fn closed_error(&self) -> Error {
        self.name_it(Error::closed())
    }

    /// Runs a call that is not queued, keeping `close` away until it is over.
    fn running<T>(&self, call: impl FnOnce(&S) -> Result<T>) -> Result<T> {
        {
            let _state = self.state.lock();
            if self.closed.load(Ordering::Acquire) {
                return Err(self.closed_error());
            }
            self.reading.fetch_add(1, Ordering::AcqRel);
        }
        let result = guarded(|| call(&self.store));
        self.reading.fetch_sub(1, Ordering::AcqRel);
        let _state = self.state.lock();
        self.quiet.notify_all();
        result.map_err(|error| self.name_it(error))
    }

    /// A view for a request that lists keys, if one can be had at once and no queued write comes before.
    fn listing_view(&self, state: &State, request: &Request) -> Option<Arc<dyn View>> {
        let lists = matches!(request, Request::Keys(_) | Request::Count(_));
        (lists && state.queue.is_empty() && !state.draining).then(|| self.store.try_view())??.ok()
    }

    /// Lists keys of a view in the pool. Writes need not wait for it.
    fn list(self: &Arc<Self>, view: Arc<dyn View>, request: Request, done: Done) {
        self.listing.fetch_add(1, Ordering::AcqRel);
        let shared = self.clone();
        spawn_blocking(move || {
            let result = guarded(|| super::list(&*view, &request)).map_err(|error| shared.name_it(error));
            drop(view);
            let state = shared.state.lock();
            shared.listing.fetch_sub(1, Ordering::AcqRel);
            shared.quiet.notify_all();
            drop(state);
            done(result);
        });
    }

    fn start_drain(self: &Arc<Self>, state: &mut State) {
        if !state.draining {
            state.draining = true;
            let shared = self.clone();
            spawn_blocking(move || shared.drain());
        }
    }

    fn run_read(self: &Arc<Self>, read: &Read, done: Done) {
        let result = guarded(|| self.store.read(read)).map_err(|error| self.name_it(error));
        let mut state = self.state.lock();
        state.uncount_reads(read);
        self.reading.fetch_sub(1, Ordering::AcqRel);
        if !state.queue.is_empty() {
            self.start_drain(&mut state);
        }
        self.quiet.notify_all();
        drop(state);
        done(result);
    }

    /// Works through the queue until it is empty or its head waits for reads in the pool.
    fn drain(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            let work = state.take_work();
            if matches!(work, Work::Nothing) {
                state.draining = false;
                self.quiet.notify_all();
                return;
            }
            drop(state);
            match work {
                Work::Nothing => {}
                Work::Writes(batches, dones) => self.run_writes(&batches, dones),
                Work::One(request, done) => self.run_one(request, done),
            }
        }
    }

    fn run_one(self: &Arc<Self>, request: Request, done: Done) {
        let result = guarded(|| match &request {
            Request::Read(read) => self.store.read(read),
            Request::View | Request::Keys(_) | Request::Count(_) => self.store.view().map(Reply::View),
            Request::Commit(_) => Err(super::unexpected_reply()),
        });
        self.queued.fetch_sub(1, Ordering::AcqRel);
        match (request, result) {
            (request @ (Request::Keys(_) | Request::Count(_)), Ok(Reply::View(view))) => self.list(view, request, done),
            (_, result) => done(result.map_err(|error| self.name_it(error))),
        }
    }

    fn run_writes(&self, batches: &[Batch], dones: Vec<Done>) {
        let committed = guarded(|| Ok(self.store.write_group(batches)));
        let mut results = match committed {
            Ok(results) => results,
            Err(error) => vec![Err(error); batches.len()],
        };
        results.resize_with(batches.len(), || Err(super::unexpected_reply()));
        self.store.counters().group(&results);
        let mut state = self.state.lock();
        for batch in batches {
            state.uncount_writes(batch);
        }
        self.queued.fetch_sub(batches.len(), Ordering::AcqRel);
        drop(state);
        for (result, done) in results.into_iter().zip(dones) {
            done(result.map(Reply::Commit).map_err(|error| self.name_it(error)));
        }
    }
}

impl<S: Store> Sweep for Shared<S> {
    fn sweep(&self, now: Millis) {
        if !self.closed.load(Ordering::Acquire) {
            // What one sweep could not free, the next one finds again; reads never see it.
            let _ = self.running(|store| store.sweep(now));
            let limits = self.store.log_limits();
            if self.store.feed().takes_trim(limits, now) {
                let trim = self.running(|store| watch::trim(&*store.view()?, limits));
                if let (Ok(Some(batch)), Some(shared)) = (trim, self.me.upgrade()) {
                    // What fails here is tried again once as much more was logged.
                    Embedded { shared }.submit(Request::Commit(batch), Box::new(|_| {}));
                }
            }
        }
    }
}

/// Turns a panic of a store into an error of its caller.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(Error::new(Code::Io, format!("the engine failed inside: {what}")))
    })
}
