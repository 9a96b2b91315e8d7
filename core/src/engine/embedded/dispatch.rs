//! Carries out submitted calls: at once in the pool, or in their turn of the queue.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::Store;
use super::queue::{Alone, QueueState, Queued, Work};
use super::replacement::Stages;
use crate::batch::Batch;
use crate::engine::sweep::Sweep;
use crate::engine::{Done, Read, Reply, Request, View, list, unexpected_reply, watch};
use crate::error::{Error, Result};
use crate::record::Millis;
use crate::threads::{self, guarded};

pub(super) struct Dispatch<S: Store> {
    pub(super) store: S,
    me: Weak<Dispatch<S>>,
    /// The number of requests in the queue and in the running group.
    queued: AtomicUsize,
    /// The number of reads in the pool.
    reading: AtomicUsize,
    /// The number of listings in the pool.
    listing: AtomicUsize,
    pub(super) closed: AtomicBool,
    state: Mutex<QueueState>,
    /// Notified when a task is over that `close` may wait for.
    quiet: Condvar,
    pub(super) stages: Stages<S::Stage>,
}

impl<S: Store> Dispatch<S> {
    pub(super) fn new(store: S) -> Arc<Self> {
        Arc::new_cyclic(|me| Dispatch {
            store,
            me: me.clone(),
            queued: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
            listing: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            state: Mutex::default(),
            quiet: Condvar::new(),
            stages: Stages::default(),
        })
    }

    pub(super) fn name_it(&self, error: Error) -> Error {
        error.in_engine(self.store.name())
    }

    pub(super) fn closed_error(&self) -> Error {
        self.name_it(Error::closed())
    }

    pub(super) fn has_queued(&self) -> bool {
        self.queued.load(Ordering::Acquire) > 0
    }

    /// True if nothing is queued and no read is in the pool.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_queued() && self.reading.load(Ordering::Acquire) == 0
    }

    /// True if a queued write comes before the read.
    pub(super) fn blocks_read(&self, read: impl FnOnce() -> Read) -> bool {
        self.has_queued() && self.state.lock().blocks_read(&read())
    }

    pub(super) fn submit(self: &Arc<Self>, request: Request, done: Done) {
        let mut state = self.state.lock();
        if self.closed.load(Ordering::Acquire) {
            drop(state);
            return done(Err(self.closed_error()));
        }
        if let Some(view) = self.listing_view(&state, &request) {
            drop(state);
            return self.list(view, request, done);
        }
        match request {
            Request::Read(read) if !state.blocks_read(&read) => {
                state.count_reads(&read);
                self.reading.fetch_add(1, Ordering::AcqRel);
                drop(state);
                let dispatch = self.clone();
                threads::disk(move |started| dispatch.run_read(started, &read, done));
            }
            Request::Commit(batch) if batch.check_size().is_err() => {
                drop(state);
                let error = batch.check_size().err().unwrap_or_else(Error::closed);
                done(Err(self.name_it(error)));
            }
            request => {
                if let Request::Commit(batch) = &request {
                    state.count_writes(batch);
                }
                self.queued.fetch_add(1, Ordering::AcqRel);
                state.queue.push_back(Queued::Call(request, done));
                self.start_drain(state);
            }
        }
    }

    /// Finishes the calls that were submitted, then closes the store. A second call does nothing.
    pub(super) fn close(&self) -> Result<()> {
        let mut state = self.state.lock();
        self.closed.store(true, Ordering::Release);
        while state.draining || !state.queue.is_empty() || self.in_the_pool() {
            self.quiet.wait(&mut state);
        }
        if std::mem::replace(&mut state.finished, true) {
            return Ok(());
        }
        drop(state);
        self.stages.end();
        self.store.feed().end(&self.closed_error(), true);
        self.store.close().map_err(|error| self.name_it(error))
    }

    /// Runs a call that is not queued. `close` waits until it is over.
    pub(super) fn running<T>(&self, call: impl FnOnce(&S) -> Result<T>) -> Result<T> {
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

    /// Runs a call in its turn of the queue, while no other call of the store runs. Blocks.
    pub(super) fn alone<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&S) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let dispatch = self.clone();
        let task: Alone = Box::new(move |started| {
            let result = started.and_then(|()| guarded(|| call(&dispatch.store)));
            // The receiver waits below.
            Box::new(move || sender.send(result).unwrap_or(()))
        });
        let mut state = self.state.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(self.closed_error());
        }
        state.count_alone();
        self.queued.fetch_add(1, Ordering::AcqRel);
        state.queue.push_back(Queued::Alone(task));
        self.start_drain(state);
        receiver.recv().unwrap_or_else(|_| Err(Error::closed())).map_err(|error| self.name_it(error))
    }

    fn in_the_pool(&self) -> bool {
        self.reading.load(Ordering::Acquire) > 0 || self.listing.load(Ordering::Acquire) > 0
    }

    /// A view for a request that lists keys, if one can be made at once and no queued write comes before.
    fn listing_view(&self, state: &QueueState, request: &Request) -> Option<Arc<dyn View>> {
        let lists = matches!(request, Request::Keys(_) | Request::Count(_));
        (lists && state.queue.is_empty() && !state.draining).then(|| self.store.try_view())??.ok()
    }

    /// Lists the keys of a view in the pool. Writes do not wait for it.
    fn list(self: &Arc<Self>, view: Arc<dyn View>, request: Request, done: Done) {
        self.listing.fetch_add(1, Ordering::AcqRel);
        let dispatch = self.clone();
        threads::disk(move |started| {
            let result = started.and_then(|()| guarded(|| list(&*view, &request)));
            drop(view);
            let state = dispatch.state.lock();
            dispatch.listing.fetch_sub(1, Ordering::AcqRel);
            dispatch.quiet.notify_all();
            drop(state);
            done(result.map_err(|error| dispatch.name_it(error)));
        });
    }

    /// Starts a task that works through the queue, unless one does already. Takes over the lock, because the task may
    /// need it at once.
    fn start_drain(self: &Arc<Self>, mut state: MutexGuard<'_, QueueState>) {
        if !state.draining {
            state.draining = true;
            drop(state);
            let dispatch = self.clone();
            threads::disk(move |started| match started {
                Ok(()) => dispatch.drain(),
                Err(error) => dispatch.refuse_queued(&error),
            });
        }
    }

    fn run_read(self: &Arc<Self>, started: Result<()>, read: &Read, done: Done) {
        let result = started.and_then(|()| guarded(|| self.store.read(read)));
        let mut state = self.state.lock();
        state.uncount_reads(read);
        self.reading.fetch_sub(1, Ordering::AcqRel);
        self.quiet.notify_all();
        if state.queue.is_empty() {
            drop(state);
        } else {
            self.start_drain(state);
        }
        done(result.map_err(|error| self.name_it(error)));
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
                Work::Alone(task) => {
                    let tell = task(Ok(()));
                    self.state.lock().uncount_alone();
                    self.queued.fetch_sub(1, Ordering::AcqRel);
                    tell();
                }
            }
        }
    }

    /// Answers the queued calls with an error, if the system has no thread to work through them.
    fn refuse_queued(&self, error: &Error) {
        let refused = {
            let mut state = self.state.lock();
            state.draining = false;
            let refused = std::mem::take(&mut state.queue);
            for queued in &refused {
                match queued {
                    Queued::Call(Request::Commit(batch), _) => state.uncount_writes(batch),
                    Queued::Call(..) => {}
                    Queued::Alone(_) => state.uncount_alone(),
                }
            }
            self.queued.fetch_sub(refused.len(), Ordering::AcqRel);
            self.quiet.notify_all();
            refused
        };
        for queued in refused {
            match queued {
                Queued::Call(_, done) => done(Err(self.name_it(error.clone()))),
                Queued::Alone(task) => task(Err(error.clone()))(),
            }
        }
    }

    fn run_one(self: &Arc<Self>, request: Request, done: Done) {
        let result = guarded(|| match &request {
            Request::Read(read) => self.store.read(read),
            Request::View | Request::Keys(_) | Request::Count(_) => self.store.view().map(Reply::View),
            Request::Commit(_) => Err(unexpected_reply()),
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
        results.resize_with(batches.len(), || Err(unexpected_reply()));
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

impl<S: Store> Sweep for Dispatch<S> {
    fn sweep(&self, now: Millis) {
        if !self.closed.load(Ordering::Acquire) {
            // The next sweep finds a record that this one could not free. Reads never see it.
            let _ = self.running(|store| store.sweep(now));
            let limits = self.store.log_limits();
            if self.store.feed().takes_trim(limits, now) {
                let trim = self.running(|store| watch::trim(&*store.view()?, limits));
                if let (Ok(Some(batch)), Some(dispatch)) = (trim, self.me.upgrade()) {
                    // A trim that fails is tried again once as much was logged again.
                    dispatch.submit(Request::Commit(batch), Box::new(|_| {}));
                }
            }
        }
    }
}
