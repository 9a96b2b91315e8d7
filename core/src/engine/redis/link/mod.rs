//! One connection that many callers share: calls are sent in the order they come, gathered while others are
//! under way, and answered in that order.
//!
//! Invariants: `flights` holds, in the order of sending, every call of which a byte may have left, so a reply
//! belongs to its head; a connection on which anything went wrong is never used again, so no caller gets another's
//! reply; each call's `settle` runs once, without the lock.
//!
//! With nothing under way a small call is sent by its caller: the socket's buffer is empty then, so sending
//! does not wait, and the only thread to wake is the one that receives. Otherwise a second thread sends what has
//! gathered since.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redis::{Pipeline, Value as Answer};

pub(super) mod call;
pub(super) mod connection;
pub(super) mod handshake;
mod lost_reply;
mod receive;
mod reply_parser;
mod send;
mod tls;

use self::call::{Call, Flight, Settle, What, refuse};
use self::connection::SharedWire;
use self::handshake::{Established, establish};
use super::layout::Layout;
use super::options::Settings;
use super::write::{Commits, Work};
use crate::batch::{Batch, Commit};
use crate::engine::counters::Counter;
use crate::engine::{Counters, Counts, Done, Reply};
use crate::error::{Error, Result};
use crate::key::KeyRange;

/// A call a caller may send for itself has at most this many bytes: any socket takes them at once when empty.
const DIRECT: usize = 4 << 10;
pub(super) struct State {
    /// The connection; none while it is being made again.
    pub wire: Option<SharedWire>,
    pub queue: VecDeque<Call>,
    pub flights: VecDeque<Flight>,
    /// Commits of a lost connection that are still to be asked about.
    pub doubts: usize,
    /// Bytes of the flights of this connection so far.
    pub put: u64,
    /// The sending thread has calls that are in neither list, or bytes to send.
    pub sending: bool,
    /// The sending thread was told that there is work.
    pub told: bool,
    /// The sending thread waits for more batches, or for replies.
    pub gathering: bool,
    pub closing: bool,
    pub closed: bool,
    /// Why the last attempt to connect failed.
    pub failure: Option<Error>,
}

pub(super) struct Shared {
    pub settings: Settings,
    pub commits: Commits,
    pub counters: Counters,
    /// Connections made after the first one.
    pub reconnects: Counter,
    /// The latest call whose reply the server is known to have kept.
    pub proof: AtomicU64,
    pub me: Weak<Shared>,
    pub state: Mutex<State>,
    /// Wakes the sending thread.
    pub work: Condvar,
    /// Wakes whoever waits for the link to be idle or closed.
    pub quiet: Condvar,
}

/// A connection with its two threads. Dropping it ends them, without waiting.
pub struct Link {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Link {
    /// Connects. Fails fast: the first connection must succeed.
    pub fn open(settings: &Settings) -> Result<Link> {
        let Established { wire, identity } = establish(settings, settings.connect_timeout)?;
        let shared = Arc::new_cyclic(|me| Shared {
            settings: settings.clone(),
            commits: Commits::new(Layout::new(&settings.key_prefix), settings.timestamps),
            counters: Counters::default(),
            reconnects: Counter::default(),
            proof: AtomicU64::new(0),
            me: me.clone(),
            state: Mutex::new(State {
                wire: Some(wire.clone()),
                queue: VecDeque::new(),
                flights: VecDeque::new(),
                doubts: 0,
                put: wire.sent(),
                sending: false,
                told: false,
                gathering: false,
                closing: false,
                closed: false,
                failure: None,
            }),
            work: Condvar::new(),
            quiet: Condvar::new(),
        });
        let receiver = {
            let shared = shared.clone();
            move || receive::run(&shared, wire, identity)
        };
        let sender = {
            let shared = shared.clone();
            move || shared.send_gathered()
        };
        let link = Link { shared, threads: Mutex::default() };
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

    /// Queues a call; never waits for the server.
    pub fn submit(&self, what: What) {
        let shared = &*self.shared;
        let call = Call { what, since: Instant::now() };
        let mut state = shared.state.lock();
        if state.closing {
            drop(state);
            return refuse(call.what, super::closed());
        }
        if call.what.size() <= DIRECT
            && state.queue.is_empty()
            && state.flights.is_empty()
            && !state.sending
            && let Some(wire) = state.wire.clone()
        {
            let (bytes, flights) = shared.pack(vec![call], state.put);
            state.put += bytes.len() as u64;
            state.flights.extend(flights);
            // The lock is kept so that nobody else's bytes come between.
            if wire.send(&bytes).is_err() {
                // The receiving thread sees the end, and settles what was under way.
                wire.shut();
            }
            return;
        }
        let waits = state.gathering && call.what.gathers() && state.has_room();
        state.queue.push_back(call);
        if !waits && !state.sending && !state.told {
            state.told = true;
            shared.work.notify_one();
        }
    }

    /// What was counted since the first connection.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = self.shared.counters.counts();
        // The server alone knows of syncs and caches.
        Counts { fsyncs: None, cache_hits: None, cache_misses: None, recoveries: None, ..counts }
    }

    /// How often the connection was made again.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.shared.reconnects.get()
    }

    /// Carries out a batch that deletes what is there of `ranges` of user keys, and waits for it.
    pub fn send_batch(&self, batch: Batch, ranges: &[KeyRange]) -> Result<Commit> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        });
        if let Some(work) = Work::new(batch, done) {
            let work = Work { ranges: ranges.to_vec(), ..work };
            self.submit(What::Commit { work, again: false });
        }
        match receiver.recv().unwrap_or_else(|_| Err(super::closed()))? {
            Reply::Commit(commit) => Ok(commit),
            _ => Err(crate::engine::unexpected_reply()),
        }
    }

    /// Sends commands and waits for their replies.
    pub fn call(&self, pipe: &Pipeline, write: bool) -> Result<Vec<Answer>> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let settle: Settle = Box::new(move |result| {
            // The receiver waits below.
            let _ = sender.send(result);
        });
        self.submit(What::commands(pipe, write, settle));
        receiver.recv().unwrap_or_else(|_| Err(super::closed()))
    }

    /// Refuses new calls, waits for those under way, and disconnects.
    pub fn close(&self) {
        let shared = &*self.shared;
        let patience = shared.settings.connect_timeout + shared.settings.command_timeout * 2;
        let mut state = shared.state.lock();
        state.closing = true;
        let deadline = Instant::now() + patience;
        while !state.idle() && !shared.quiet.wait_until(&mut state, deadline).timed_out() {}
        shared.end(&mut state);
        drop(state);
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A thread that closes the engine from inside its own answer is not waited for.
            if thread.thread().id() != thread::current().id() {
                // A panic was caught and told already.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closing = true;
        self.shared.end(&mut state);
    }
}

impl Shared {
    /// Tells both threads to end; what is left is settled by the receiving one.
    fn end(&self, state: &mut State) {
        state.closed = true;
        if let Some(wire) = &state.wire {
            wire.shut();
        }
        self.work.notify_all();
        self.quiet.notify_all();
    }
}

impl State {
    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.flights.is_empty() && self.doubts == 0 && !self.sending
    }
}

/// How often a waiting receiver looks at the clock.
pub(super) fn tick(settings: &Settings) -> Duration {
    (settings.command_timeout / 8).clamp(Duration::from_millis(5), Duration::from_millis(500))
}
