//! Sends requests. Most are one call over the main connection, which keeps them in order. Requests of many steps run on
//! a worker, and later requests wait for them (`queue.rs`).

use std::sync::Arc;
use std::time::Instant;

use super::delete_range::commit_with_ranges;
use super::link::{Effect, Link, OnReply};
use super::options::Settings;
use super::pending_write::PendingWrite;
use super::pool::ConnectionPool;
use super::queue::{QueuedRequest, RequestQueue, takes_many_steps};
use super::read;
use super::replacement::finish;
use super::view::RedisView;
use crate::engine::{Done, Reply, Request, list, unexpected_reply};
use crate::error::Result;
use crate::format::redis::Layout;
use crate::threads::{Worker, guarded};

pub(super) struct Dispatch {
    pub layout: Layout,
    /// Carries every request but scans.
    pub link: Arc<Link>,
    /// Carries scans.
    pub pool: Arc<ConnectionPool>,
    pub queue: Arc<RequestQueue>,
    /// Carries out requests of many steps, one at a time. Tasks of transactions may all wait for it, so it needs a
    /// thread of its own.
    worker: Worker,
}

impl Dispatch {
    /// Connects. Blocks.
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        let link = Arc::new(Link::open(settings)?);
        Ok(Dispatch {
            layout: Layout::new(&settings.key_prefix),
            pool: Arc::new(ConnectionPool::new(settings, link.clone())),
            link,
            queue: Arc::default(),
            worker: Worker::new("holdfast-redis-steps"),
        })
    }

    pub(super) fn submit(self: &Arc<Self>, request: Request, done: Done) {
        if let Err(error) = self.queue.check_open() {
            return done(Err(error));
        }
        if self.link.has_met_replacement() {
            self.finish_replacement();
        }
        if let Some(queued) = self.queue.admit(QueuedRequest { request, done, since: Instant::now() }) {
            self.send(queued);
        }
    }

    /// Makes later requests wait until the replacement of the content is finished that a commit has met.
    fn finish_replacement(self: &Arc<Self>) {
        if !self.queue.try_begin_alone() {
            return;
        }
        self.link.forget_replacement();
        let dispatch = self.clone();
        self.worker.spawn(move |started| {
            // If this fails, the next commit meets the replacement again.
            let _ = started.and_then(|()| guarded(|| finish(&dispatch.link, &dispatch.layout)));
            dispatch.send_waiting();
        });
    }

    /// Makes later requests wait until the guard is dropped, and waits for those made before. Blocks.
    pub(super) fn alone(self: &Arc<Self>) -> Result<Alone> {
        self.queue.begin_alone()?;
        Ok(Alone(self.clone()))
    }

    /// Sends a request, or has the worker carry it out.
    fn send(self: &Arc<Self>, QueuedRequest { request, done, since }: QueuedRequest) {
        match request {
            Request::Read(read) => read::submit(&self.link, &self.layout, read, since, done),
            Request::View => self.make_view(since, done),
            request if takes_many_steps(&request) => {
                let dispatch = self.clone();
                self.worker.spawn(move |started| {
                    let result = started.and_then(|()| guarded(|| dispatch.carry_out(request, since)));
                    // A panic of this caller must not hold up the requests that wait.
                    let _ = guarded(|| {
                        done(result);
                        Ok(())
                    });
                    dispatch.send_waiting();
                });
            }
            Request::Commit(batch) => match batch.check_size() {
                Ok(()) => {
                    if let Some(write) = PendingWrite::new(batch, done) {
                        self.link.submit_write(write, since);
                    }
                }
                Err(error) => done(Err(error)),
            },
            Request::Keys(_) | Request::Count(_) => done(Err(unexpected_reply())),
        }
    }

    /// Makes a view once the server has carried out every write before it: the view reads over another connection.
    fn make_view(&self, since: Instant, done: Done) {
        let mut pipe = redis::pipe();
        pipe.cmd("PING");
        let (pool, layout) = (self.pool.clone(), self.layout.clone());
        let on_reply: OnReply = Box::new(move |reply| {
            done(reply.and_then(|_| Ok(Reply::View(Arc::new(RedisView::new(pool.link()?, layout))))));
        });
        self.link.submit_commands_since(since, &pipe, Effect::Read, on_reply);
    }

    /// Carries out a request of many steps that was made at `since`. Blocks.
    fn carry_out(&self, request: Request, since: Instant) -> Result<Reply> {
        self.link.wait_for_connection(since)?;
        if let Request::Commit(batch) = request {
            batch.check_size()?;
            return commit_with_ranges(&self.link, &self.layout, batch).map(Reply::Commit);
        }
        // The server has then carried out every write before the listing.
        let mut pipe = redis::pipe();
        pipe.cmd("PING");
        self.link.call(&pipe, Effect::Read)?;
        let link = self.pool.link()?;
        link.wait_for_connection(since)?;
        list(&RedisView::new(link, self.layout.clone()), &request)
    }

    /// Sends the requests that wait, in order, up to the next one of many steps.
    fn send_waiting(self: &Arc<Self>) {
        while let Some(queued) = self.queue.next() {
            let many = takes_many_steps(&queued.request);
            self.send(queued);
            if many {
                return;
            }
        }
    }
}

/// A guard: no request is sent while it is there.
pub(super) struct Alone(Arc<Dispatch>);

impl Drop for Alone {
    fn drop(&mut self) {
        self.0.send_waiting();
    }
}
