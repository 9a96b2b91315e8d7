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
//! | `send.rs` | the sending thread |
//! | `receive.rs` | the receiving thread |
//! | `reconnect.rs`, `lost_reply.rs` | the next connection, and what it asks about lost replies |
//! | `connection.rs`, `tls.rs`, `own_certificate.rs`, `handshake.rs`, `reply_parser.rs` | one connection |

mod call;
mod connection;
mod handshake;
mod lost_reply;
mod own_certificate;
mod receive;
mod reconnect;
mod reply_parser;
mod send;
mod state;
mod tls;

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use parking_lot::Mutex;
use redis::{Pipeline, Value as RespValue};

use self::call::{CallBody, QueuedCall};
use self::state::LinkInner;
use super::fault::closed;
use super::options::Settings;
use super::pending_write::PendingWrite;
use crate::batch::{Batch, Commit};
use crate::engine::{Counts, Done, Reply, unexpected_reply};
use crate::error::{Error, Result};
use crate::key::KeyRange;

pub(super) use call::OnReply;
pub(super) use connection::Connection;
pub(super) use handshake::{Established, establish};

/// A caller sends a call of at most this many bytes itself: a socket with an empty buffer takes them at once.
const DIRECT: usize = 4 << 10;

/// The replies to a call that was begun.
pub(super) struct PendingReplies(mpsc::Receiver<Result<Vec<RespValue>>>);

impl PendingReplies {
    /// Waits for the replies. Blocks.
    pub(super) fn wait(self) -> Result<Vec<RespValue>> {
        self.0.recv().unwrap_or_else(|_| Err(closed()))
    }
}

/// A connection with its two threads. Dropping it ends them, without a wait.
pub(super) struct Link {
    inner: Arc<LinkInner>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Link {
    /// Connects. Fails fast: the first connection must succeed.
    pub(super) fn open(settings: &Settings) -> Result<Link> {
        let Established { connection, identity } = establish(settings, settings.connect_timeout)?;
        let inner = LinkInner::new(settings, connection.clone());
        let receiver = {
            let inner = inner.clone();
            move || receive::run(&inner, connection, identity)
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
            let thread = thread::Builder::new().name(name.into()).spawn(body);
            let thread = thread.map_err(|error| Error::io("cannot start a thread for redis", &error))?;
            link.threads.lock().push(thread);
        }
        Ok(link)
    }

    /// Queues commands; never waits for the server.
    pub(super) fn submit_commands(&self, pipe: &Pipeline, write: bool, on_reply: OnReply) {
        self.submit(CallBody::commands(pipe, write, on_reply));
    }

    /// Queues a batch; never waits for the server.
    pub(super) fn submit_write(&self, write: PendingWrite) {
        self.submit(CallBody::Commit { write, with_source: false });
    }

    fn submit(&self, body: CallBody) {
        let inner = &*self.inner;
        let call = QueuedCall { body, since: Instant::now() };
        let mut state = inner.state.lock();
        if state.closing {
            drop(state);
            return call.body.refuse(closed());
        }
        if call.body.size() <= DIRECT
            && state.queue.is_empty()
            && state.in_flight.is_empty()
            && !state.sending
            && let Some(connection) = state.connection.clone()
        {
            let (bytes, in_flight) = send::encode(inner, vec![call], state.end);
            state.end += bytes.len() as u64;
            state.in_flight.extend(in_flight);
            // The lock is kept, so that no other bytes come in between.
            if connection.send(&bytes).is_err() {
                // The receiving thread sees the end, and answers what was in flight.
                connection.shut();
            }
            return;
        }
        let waits = state.gathering && call.body.gathers() && state.has_room();
        state.queue.push_back(call);
        if !waits {
            inner.wake_sender(&mut state);
        }
    }

    /// Sends commands and waits for their replies. Blocks.
    pub(super) fn call(&self, pipe: &Pipeline, write: bool) -> Result<Vec<RespValue>> {
        self.begin_call(pipe, write).wait()
    }

    /// Queues commands, whose replies can be waited for.
    pub(super) fn begin_call(&self, pipe: &Pipeline, write: bool) -> PendingReplies {
        let (sender, receiver) = mpsc::sync_channel(1);
        let on_reply: OnReply = Box::new(move |replies| {
            // The caller may not wait any more.
            let _ = sender.send(replies);
        });
        self.submit_commands(pipe, write, on_reply);
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
            self.submit_write(write.deleting(ranges));
        }
        match receiver.recv().unwrap_or_else(|_| Err(closed()))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(unexpected_reply()),
        }
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

    /// Refuses new calls, waits for those in flight, and disconnects. Blocks.
    pub(super) fn close(&self) {
        let inner = &*self.inner;
        let patience = inner.settings.connect_timeout + inner.settings.command_timeout * 2;
        let mut state = inner.state.lock();
        state.closing = true;
        let deadline = Instant::now() + patience;
        while !state.is_idle() && !inner.quiet.wait_until(&mut state, deadline).timed_out() {}
        inner.end(&mut state);
        drop(state);
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A thread may close the engine from inside of an answer. It must not wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A panic was caught and told already.
                let _ = thread.join();
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
