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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redis::{Pipeline, ServerErrorKind, Value as Answer};

use super::commit::{Commits, Work, answer};
use super::fault::{Loss, unreachable};
use super::handshake::{Established, establish};
use super::layout::Layout;
use super::options::Settings;
use super::outcome::results;
use super::receive;
use super::wire::SharedWire;
use crate::batch::{Batch, Commit};
use crate::engine::counters::Counter;
use crate::engine::{Counters, Counts, Done, Reply};
use crate::error::{Error, Result};
use crate::key::KeyRange;

/// Receives the replies of a call, exactly once.
pub type Settle = Box<dyn FnOnce(Result<Vec<Answer>>) + Send>;

/// A call a caller may send for itself has at most this many bytes: any socket takes them at once when empty.
const DIRECT: usize = 4 << 10;
/// Calls and bytes sent at once at most, but for the call that crosses the line.
const GATHER_CALLS: usize = 1024;
const GATHER_BYTES: usize = 1 << 20;

/// While this many calls are under way, small batches gather until there are so many: one call of the script costs the server as much as
/// twenty rows of it.
const BUSY: usize = 2;
const GATHER_BATCHES: usize = 64;
/// A larger batch waits for no others.
const SMALL: usize = 1 << 10;

/// What a call sends.
pub enum What {
    /// Packed commands, and how many replies they get.
    Packed { bytes: Vec<u8>, replies: usize, write: bool, settle: Settle },
    /// A batch; several in a row that only write go in one call. `again`: the server has forgotten the script, and gets its source.
    Commit { work: Work, again: bool },
}

pub(super) struct Call {
    pub what: What,
    /// When it was made.
    pub since: Instant,
}

/// A call on its way.
pub(super) struct Flight {
    /// Where its last byte lies in the stream of its connection.
    pub end: u64,
    pub missing: usize,
    pub replies: Vec<Answer>,
    /// When it was sent.
    pub since: Instant,
    pub write: bool,
    /// The number of a call that commits: the next connection can ask for its reply.
    pub number: Option<u64>,
    pub settle: Settle,
}

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
    me: Weak<Shared>,
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
        let waits = state.gathering && call.what.gathers() && state.queue.len() < GATHER_BATCHES;
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
    pub fn commit(&self, batch: Batch, ranges: &[KeyRange]) -> Result<Commit> {
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

    /// The sending thread: takes what has gathered, again and again.
    fn send_gathered(&self) {
        let mut state = self.state.lock();
        loop {
            state.told = false;
            if state.closed {
                return;
            }
            let Some(wire) = state.wire.clone() else {
                self.give_up_old_calls(&mut state);
                continue;
            };
            if state.queue.is_empty() {
                self.quiet.notify_all();
                self.work.wait(&mut state);
                continue;
            }
            if state.gathers() {
                state.gathering = true;
                self.work.wait(&mut state);
                state.gathering = false;
                continue;
            }
            let calls = take_calls(&mut state.queue);
            let from = state.put;
            state.sending = true;
            drop(state);
            let (bytes, flights) = self.pack(calls, from);
            state = self.state.lock();
            if !state.wire.as_ref().is_some_and(|now| Arc::ptr_eq(now, &wire)) {
                state.sending = false;
                drop(state);
                for flight in flights {
                    settle(flight.settle, Err(Loss::of_unsent()));
                }
                state = self.state.lock();
                continue;
            }
            state.put += bytes.len() as u64;
            state.flights.extend(flights);
            drop(state);
            if wire.send(&bytes).is_err() {
                wire.shut();
            }
            state = self.state.lock();
            state.sending = false;
        }
    }

    /// Without a connection: fails the calls that have waited too long, or waits until the next one has.
    fn give_up_old_calls(&self, state: &mut parking_lot::MutexGuard<'_, State>) {
        let now = Instant::now();
        let patience = self.settings.connect_timeout;
        let mut old = Vec::new();
        while state.queue.front().is_some_and(|call| call.since + patience <= now) {
            old.extend(state.queue.pop_front());
        }
        if old.is_empty() {
            match state.queue.front().map(|call| call.since + patience) {
                Some(deadline) => {
                    self.work.wait_until(state, deadline);
                }
                None => {
                    self.quiet.notify_all();
                    self.work.wait(state);
                }
            }
            return;
        }
        let error = unreachable(&self.settings.address, state.failure.as_ref());
        parking_lot::MutexGuard::unlocked(state, || {
            for call in old {
                refuse(call.what, error.clone());
            }
        });
    }

    /// The bytes of `calls` and what to expect for them, from position `end` of the stream on.
    fn pack(&self, calls: Vec<Call>, mut end: u64) -> (Vec<u8>, Vec<Flight>) {
        let mut bytes = Vec::with_capacity(calls.iter().map(|call| call.what.size()).sum::<usize>() + 64);
        let mut flights = Vec::with_capacity(calls.len());
        let mut blind: Vec<Work> = Vec::new();
        let since = Instant::now();
        let mut calls = calls.into_iter().peekable();
        while let Some(call) = calls.next() {
            let from = bytes.len();
            let (missing, write, number, settle) = match call.what {
                What::Commit { work, again } => {
                    let next = calls.peek();
                    let alone = again || !self.commits.is_blind(&work);
                    blind.push(work);
                    if !alone
                        && let Some(Call { what: What::Commit { work, again: false }, .. }) = next
                        && self.commits.is_blind(work)
                    {
                        continue;
                    }
                    let works = std::mem::take(&mut blind);
                    let number = self.commits.pack(&works, again, &mut bytes);
                    let write = works.iter().any(|work| !work.batch.ops.is_empty());
                    (1, write, Some(number), self.settle_commits(works, number))
                }
                What::Packed { bytes: packed, replies, write, settle } => {
                    bytes.extend_from_slice(&packed);
                    (replies, write, None, settle)
                }
            };
            end += (bytes.len() - from) as u64;
            flights.push(Flight { end, missing, replies: Vec::with_capacity(missing), since, write, number, settle });
        }
        (bytes, flights)
    }

    /// What to do with the reply to a call that commits.
    fn settle_commits(&self, works: Vec<Work>, number: u64) -> Settle {
        let me = self.me.clone();
        Box::new(move |replies| match replies.map(|mut replies| replies.pop()) {
            Err(error) => {
                let errors = std::iter::repeat_with(|| Err(error.clone()));
                answer(works, errors);
            }
            // Nothing was done yet, and the source says it all again.
            Ok(Some(Answer::ServerError(text))) if text.kind() == Some(ServerErrorKind::NoScript) => match me.upgrade()
            {
                Some(shared) => shared.submit_again(works),
                None => answer(works, std::iter::repeat_with(|| Err(super::closed()))),
            },
            Ok(reply) => {
                let results = results(&works, reply.unwrap_or_default());
                let kept = |(work, result): (&Work, &Result<_>)| result.is_ok() && !work.batch.ops.is_empty();
                if let Some(shared) = me.upgrade() {
                    shared.counters.group(&results);
                    if works.iter().zip(&results).any(kept) {
                        shared.proof.fetch_max(number, Ordering::Relaxed);
                    }
                }
                answer(works, results.into_iter());
            }
        })
    }

    /// Queues commits before all others, in their order.
    fn submit_again(&self, works: Vec<Work>) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return answer(works, std::iter::repeat_with(|| Err(super::closed())));
        }
        let again = |call: &&Call| matches!(call.what, What::Commit { again: true, .. });
        let place = state.queue.iter().take_while(again).count();
        for (place, work) in (place..).zip(works) {
            let call = Call { what: What::Commit { work, again: true }, since: Instant::now() };
            state.queue.insert(place, call);
        }
        if !state.sending && !state.told {
            state.told = true;
            self.work.notify_one();
        }
    }
}

impl State {
    /// True if what is queued may wait: the server has enough to do, and what comes can go with it in one call.
    fn gathers(&self) -> bool {
        self.flights.len() >= BUSY
            && self.queue.len() < GATHER_BATCHES
            && self.queue.iter().all(|call| call.what.gathers())
    }

    /// True if the sending thread has gathered for long enough, now that replies have come.
    pub fn wants_sending(&self) -> bool {
        self.gathering && self.flights.len() < BUSY
    }

    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.flights.is_empty() && self.doubts == 0 && !self.sending
    }
}

impl What {
    /// Commands that each get one reply.
    pub fn commands(pipe: &Pipeline, write: bool, settle: Settle) -> Self {
        What::Packed { bytes: pipe.get_packed_pipeline(), replies: pipe.len(), write, settle }
    }

    /// True for a batch that may go with others.
    fn gathers(&self) -> bool {
        matches!(self, What::Commit { again: false, .. }) && self.size() <= SMALL
    }

    fn size(&self) -> usize {
        match self {
            What::Packed { bytes, .. } => bytes.len(),
            What::Commit { work, .. } => work.batch.size() + 64 * (work.batch.ops.len() + work.batch.checks.len() + 4),
        }
    }
}

fn take_calls(queue: &mut VecDeque<Call>) -> Vec<Call> {
    let mut bytes = 0;
    let mut count = 0;
    while count < GATHER_CALLS
        && bytes < GATHER_BYTES
        && let Some(call) = queue.get(count)
    {
        bytes += call.what.size();
        count += 1;
    }
    queue.drain(..count).collect()
}

/// Answers a call that was never sent.
pub(super) fn refuse(what: What, error: Error) {
    match what {
        What::Packed { settle: done, .. } => settle(done, Err(error)),
        What::Commit { work, .. } => guarded(|| (work.done)(Err(error))),
    }
}

/// Runs a caller's answer; a panic in it must not end the thread that serves everyone else.
pub(super) fn settle(done: Settle, result: Result<Vec<Answer>>) {
    guarded(|| done(result));
}

pub(super) fn guarded(answer: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(answer));
}

/// How often a waiting receiver looks at the clock.
pub(super) fn tick(settings: &Settings) -> Duration {
    (settings.command_timeout / 8).clamp(Duration::from_millis(5), Duration::from_millis(500))
}
