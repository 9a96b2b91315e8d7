//! One connection that many callers share. Calls are sent in the order they come, gathered while others are in flight,
//! and answered in that order. A lost connection is made again.
//!
//! Invariants:
//!
//! - The list of calls in flight holds every call of which a byte may have left, in the order of sending, so a reply
//!   belongs to its first call.
//! - A connection on which anything went wrong is never used again, so no caller gets the reply of another.
//! - The receiver of each call runs once, and without the lock.
//!
//! With nothing in flight, a caller sends its small call itself: the buffer of the socket is empty then, so the caller
//! does not wait, and only the receiving thread has to wake. Otherwise the sending thread sends what has gathered.
//!
//! | file | what is in it |
//! |---|---|
//! | `state.rs` | what callers and the two threads share |
//! | `call.rs` | a call, queued and in flight |
//! | `submit.rs`, `send.rs` | the way of a call to the server: from the caller, by the sending thread |
//! | `receive.rs`, `answer.rs` | the receiving thread, and what it makes of a reply |
//! | `repeat.rs` | calls that are sent again, because the server has not carried them out |
//! | `reconnect.rs`, `lost_reply.rs` | the next connection, and what it asks about lost replies |
//! | `connection.rs`, `tls.rs`, `own_certificate.rs`, `handshake.rs`, `rights.rs`, `reply_parser.rs` | one connection |

mod answer;
mod call;
mod connection;
mod handshake;
mod lost_reply;
mod own_certificate;
mod receive;
mod reconnect;
mod repeat;
mod reply_parser;
mod rights;
mod send;
mod state;
mod submit;
mod tls;

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::{Pipeline, Value as RespValue};

use self::call::CallBody;
use self::state::LinkInner;
use super::fault::closed;
use super::options::Settings;
use super::pending_write::PendingWrite;
use crate::batch::{Batch, Commit};
use crate::engine::{Counts, Done, Reply, unexpected_reply};
use crate::error::{Error, Result};
use crate::key::KeyRange;

pub(super) use call::{Effect, OnReply};
pub(super) use connection::Connection;
pub(super) use handshake::{Established, establish};
pub(super) use rights::{REPLACEMENT_COMMANDS, question as ask_for_rights, refusal as rights_refusal};
pub(super) use state::CLOSE_PATIENCE;

/// The replies to a call that was begun.
pub(super) struct PendingReplies(mpsc::Receiver<Result<Vec<RespValue>>>);

impl PendingReplies {
    /// Waits for the replies. Blocks.
    pub(super) fn wait(self) -> Result<Vec<RespValue>> {
        self.0.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// Waits for the replies no longer than this; `None` if they have not come. Blocks.
    pub(super) fn wait_for(self, patience: Duration) -> Option<Result<Vec<RespValue>>> {
        self.0.recv_timeout(patience).ok()
    }
}

/// A connection with its two threads. Dropping it ends them, without a wait.
pub(super) struct Link {
    inner: Arc<LinkInner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Link {
    /// Connects. Fails fast: the first connection must succeed. Blocks.
    pub(super) fn open(settings: &Settings) -> Result<Link> {
        let established = establish(settings, settings.connect_timeout)?;
        let inner = LinkInner::new(settings);
        inner.use_connection(&mut inner.state.lock(), &established);
        Self::start(inner, Some(established))
    }

    /// Connects in the background. Calls wait for the connection as they do for one that was lost.
    pub(super) fn open_later(settings: &Settings) -> Result<Link> {
        Self::start(LinkInner::new(settings), None)
    }

    fn start(inner: Arc<LinkInner>, first: Option<Established>) -> Result<Link> {
        let receiver = {
            let inner = inner.clone();
            move || receive::run(&inner, first)
        };
        let sender = {
            let inner = inner.clone();
            move || send::run(&inner)
        };
        let link = Link { inner, threads: Mutex::default() };
        for (name, body) in [
            ("holdfast-redis-in", Box::new(receiver) as Box<dyn FnOnce() + Send>),
            ("holdfast-redis-out", Box::new(sender)),
        ] {
            let inner = link.inner.clone();
            inner.state.lock().threads += 1;
            let body = move || {
                body();
                inner.state.lock().threads -= 1;
                inner.quiet.notify_all();
            };
            let thread = thread::Builder::new().name(name.into()).spawn(body);
            let thread = thread.map_err(|error| Error::io("cannot start a thread for redis", &error))?;
            link.threads.lock().push(thread);
        }
        Ok(link)
    }

    /// Queues commands; never waits for the server.
    pub(super) fn submit_commands(&self, pipe: &Pipeline, effect: Effect, on_reply: OnReply) {
        self.submit_commands_since(Instant::now(), pipe, effect, on_reply);
    }

    /// Queues commands that were requested at `since`; never waits for the server.
    pub(super) fn submit_commands_since(&self, since: Instant, pipe: &Pipeline, effect: Effect, on_reply: OnReply) {
        self.inner.submit(CallBody::commands(pipe, effect, on_reply), since);
    }

    /// Queues a batch that was requested at `since`; never waits for the server.
    pub(super) fn submit_write(&self, write: PendingWrite, since: Instant) {
        self.inner.submit(CallBody::Commit { write, with_source: false }, since);
    }

    /// Waits until there is a connection, for a request that was made at `since`. Blocks.
    pub(super) fn wait_for_connection(&self, since: Instant) -> Result<()> {
        let inner = &*self.inner;
        let mut state = inner.state.lock();
        while state.connection.is_none() {
            if state.closed {
                return Err(closed());
            }
            let patience = inner.patience(&state, since);
            if inner.quiet.wait_until(&mut state, patience).timed_out() && inner.patience(&state, since) <= patience {
                return Err(inner.no_connection(&state));
            }
        }
        Ok(())
    }

    /// Sends commands and waits for their replies. Blocks.
    pub(super) fn call(&self, pipe: &Pipeline, effect: Effect) -> Result<Vec<RespValue>> {
        self.begin_call(pipe, effect).wait()
    }

    /// Queues commands, whose replies can be waited for.
    pub(super) fn begin_call(&self, pipe: &Pipeline, effect: Effect) -> PendingReplies {
        let (sender, receiver) = mpsc::sync_channel(1);
        let on_reply: OnReply = Box::new(move |replies| {
            // The caller may not wait any more.
            let _ = sender.send(replies);
        });
        self.submit_commands(pipe, effect, on_reply);
        PendingReplies(receiver)
    }

    /// Commits a batch that deletes every key of `ranges` of user keys, and waits for it. Blocks.
    pub(super) fn send_batch(&self, batch: Batch, ranges: &[KeyRange]) -> Result<Commit> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        });
        if let Some(write) = PendingWrite::new(batch, done) {
            self.submit_write(write.deleting(ranges), Instant::now());
        }
        match receiver.recv().unwrap_or_else(|_| Err(closed()))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(unexpected_reply()),
        }
    }

    /// The id of the server's process; empty if it is unknown.
    pub(super) fn process(&self) -> String {
        self.inner.encoder.process()
    }

    /// True if a commit was refused because the content is being replaced.
    pub(super) fn has_met_replacement(&self) -> bool {
        self.inner.met_replacement.load(Ordering::Relaxed)
    }

    /// Forgets that a commit was refused because the content is being replaced.
    pub(super) fn forget_replacement(&self) {
        self.inner.met_replacement.store(false, Ordering::Relaxed);
    }

    /// Counts a commit that was made by other calls.
    pub(super) fn count(&self, result: &Result<Commit>) {
        self.inner.counters.one(result);
    }

    /// The counts since the first connection.
    pub(super) fn counts(&self) -> Counts {
        let counts = self.inner.counters.counts();
        // Only the server knows of syncs and caches.
        Counts { fsyncs: None, cache_hits: None, cache_misses: None, recoveries: None, ..counts }
    }

    /// How often the connection was made again.
    pub(super) fn reconnects(&self) -> u64 {
        self.inner.reconnects.get()
    }

    /// Ends waits for a connection soon, because the engine is being closed.
    pub(super) fn hurry(&self) {
        self.inner.hurry(&mut self.inner.state.lock());
    }

    /// Refuses new calls, waits for those in flight, and disconnects. If the server is gone, it waits a short time.
    /// Blocks.
    pub(super) fn close(&self) {
        let inner = &*self.inner;
        let mut state = inner.state.lock();
        state.closing = true;
        inner.hurry(&mut state);
        let deadline = Instant::now() + inner.settings.connect_timeout + inner.settings.command_timeout * 2;
        while !state.is_idle() {
            let until = state.hurried.filter(|_| state.connection.is_none()).unwrap_or(deadline);
            if inner.quiet.wait_until(&mut state, until).timed_out()
                && (state.connection.is_none() || until == deadline)
            {
                break;
            }
        }
        inner.end(&mut state);
        drop(state);
        reconnect::give_up_lost(inner);
        // A thread may close the engine from inside of an answer. It must not wait for itself. One that connects to a
        // server that is gone ends later.
        let mut threads = std::mem::take(&mut *self.threads.lock());
        let all = threads.len();
        threads.retain(|thread| thread.thread().id() != thread::current().id());
        let own = all - threads.len();
        let mut state = inner.state.lock();
        let deadline = Instant::now() + CLOSE_PATIENCE / 2;
        while state.threads > own && !inner.quiet.wait_until(&mut state, deadline).timed_out() {}
        let ended = state.threads <= own;
        drop(state);
        if ended {
            // A panic was caught and told already.
            for thread in threads {
                drop(thread.join());
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.inner.state.lock();
        state.closing = true;
        self.inner.end(&mut state);
    }
}
