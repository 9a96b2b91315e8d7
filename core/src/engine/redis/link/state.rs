//! The state that callers and the two threads of a link share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::fault::{closed, unreachable};
use super::super::options::{Availability, Settings};
use super::super::write::CommitEncoder;
use super::call::{InFlightCall, QueuedCall, SentBody};
use super::connection::Connection;
use super::handshake::Established;
use super::lost_reply::LostReply;
use super::repeat::Repeat;
use crate::engine::Counters;
use crate::engine::counters::Counter;
use crate::error::Error;
use crate::format::redis::Layout;
use crate::threads::guarded;

/// While this many calls are in flight, small batches gather until there are [`GATHER_BATCHES`]: one call of the script
/// costs the server as much as twenty rows of it.
const BUSY: usize = 2;
const GATHER_BATCHES: usize = 64;

/// How long calls wait for a connection while the engine is being closed.
pub(in super::super) const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct LinkInner {
    pub settings: Settings,
    pub encoder: CommitEncoder,
    pub counters: Counters,
    /// Connections made after the first one.
    pub reconnects: Counter,
    /// The number of the latest call whose reply the server certainly kept.
    pub newest_kept: AtomicU64,
    /// A commit was refused because the content is being replaced.
    pub met_replacement: AtomicBool,
    pub me: Weak<LinkInner>,
    pub state: Mutex<LinkState>,
    /// Wakes the sending thread.
    pub work: Condvar,
    /// Wakes whoever waits for the link to be idle or closed.
    pub quiet: Condvar,
}

pub(super) struct LinkState {
    /// `None` while the connection is made again.
    pub connection: Option<Arc<Connection>>,
    pub queue: VecDeque<QueuedCall>,
    pub in_flight: VecDeque<InFlightCall>,
    /// The calls that are sent again once nothing is in flight. Until then nothing else is sent.
    pub repeat: Option<Repeat>,
    /// The number of the latest commit that was sent over this connection.
    latest_commit: Option<u64>,
    /// Commits whose replies were lost with a connection, and about which the server has not been asked yet.
    pub lost: Vec<LostReply>,
    /// The server is being asked about such commits.
    pub asks_for_lost: bool,
    /// The moment when the latest connection was lost.
    pub lost_at: Instant,
    /// The moment when a call without a connection is given up next, if that is known.
    pub next_expiry: Option<Instant>,
    /// The engine is being closed: calls without a connection wait no longer than until this moment.
    pub hurried: Option<Instant>,
    /// The moment when the latest connection was given up because its server is a replica.
    pub renewed_at: Option<Instant>,
    /// How many threads of the link run.
    pub threads: usize,
    /// The position behind the last call in flight, in the stream of this connection.
    pub end: u64,
    /// The sending thread has calls that are in neither list, or bytes to send.
    pub sending: bool,
    /// The sending thread was woken and has not looked yet.
    pub woken: bool,
    /// The sending thread waits for more batches, or for replies.
    pub gathering: bool,
    /// New calls are refused.
    pub closing: bool,
    /// Both threads have to end.
    pub closed: bool,
    /// The error of the last attempt to connect.
    pub failure: Option<Error>,
    /// The error of every commit, because the user may not make all parts of one.
    pub no_commits: Option<Error>,
    /// The server is being asked whether that is still so.
    pub asks_for_rights: bool,
}

impl LinkInner {
    /// A link that has no connection yet.
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new_cyclic(|me| LinkInner {
            settings: settings.clone(),
            encoder: CommitEncoder::new(Layout::new(&settings.key_prefix), settings.timestamps),
            counters: Counters::default(),
            reconnects: Counter::default(),
            newest_kept: AtomicU64::new(0),
            met_replacement: AtomicBool::new(false),
            me: me.clone(),
            state: Mutex::new(LinkState {
                end: 0,
                connection: None,
                queue: VecDeque::new(),
                in_flight: VecDeque::new(),
                repeat: None,
                latest_commit: None,
                lost: Vec::new(),
                asks_for_lost: false,
                lost_at: Instant::now(),
                next_expiry: None,
                hurried: None,
                renewed_at: None,
                threads: 0,
                sending: false,
                woken: false,
                gathering: false,
                closing: false,
                closed: false,
                failure: None,
                no_commits: None,
                asks_for_rights: false,
            }),
            work: Condvar::new(),
            quiet: Condvar::new(),
        })
    }

    /// Tells both threads to end. The receiving thread answers the calls that are left.
    pub(super) fn end(&self, state: &mut LinkState) {
        state.closed = true;
        if let Some(connection) = &state.connection {
            connection.shut();
        }
        self.work.notify_all();
        self.quiet.notify_all();
    }

    /// The moment until which a call that was made at `since` waits for a connection.
    pub(super) fn patience(&self, state: &LinkState, since: Instant) -> Instant {
        let patience = since.max(state.lost_at) + self.settings.connect_timeout;
        state.hurried.map_or(patience, |hurried| patience.min(hurried))
    }

    /// Tells the listener of the options something.
    pub(super) fn tell(&self, what: impl FnOnce() -> Availability) {
        if let Some(listener) = &self.settings.listener {
            // A panic of a listener must not end the thread that serves all callers.
            let _ = guarded(|| {
                listener(&what());
                Ok(())
            });
        }
    }

    /// The error of a call that has waited too long for a connection.
    pub(super) fn no_connection(&self, state: &LinkState) -> Error {
        state.failure.clone().unwrap_or_else(|| unreachable(&self.settings.address, None))
    }

    /// Ends waits for a connection soon, because the engine is being closed.
    pub(super) fn hurry(&self, state: &mut LinkState) {
        state.hurried.get_or_insert_with(|| Instant::now() + CLOSE_PATIENCE);
        state.next_expiry = None;
        self.work.notify_all();
        self.quiet.notify_all();
    }

    /// Begins with a new connection.
    pub(super) fn use_connection(&self, state: &mut LinkState, established: &Established) {
        state.end = established.connection.sent();
        state.connection = Some(established.connection.clone());
        state.no_commits.clone_from(&established.no_commits);
        self.encoder.use_process(established.process.as_deref());
        state.latest_commit = None;
        state.failure = None;
        self.work.notify_one();
        self.quiet.notify_all();
    }

    /// Answers the calls that were never sent, because the link is closed.
    pub(super) fn refuse_queue(&self) {
        let queue = std::mem::take(&mut self.state.lock().queue);
        for call in queue {
            call.body.refuse(closed());
        }
    }

    /// Wakes the sending thread, unless it works or was woken.
    pub(super) fn wake_sender(&self, state: &mut LinkState) {
        if !state.sending && !state.woken {
            state.woken = true;
            self.work.notify_one();
        }
    }
}

impl LinkState {
    /// Adds calls whose bytes are sent now.
    pub(super) fn add_in_flight(&mut self, bytes: &[u8], calls: Vec<InFlightCall>) {
        self.end += bytes.len() as u64;
        let number = |call: &InFlightCall| match &call.body {
            SentBody::Commit { number, .. } => Some(*number),
            SentBody::Commands(_) => None,
        };
        self.latest_commit = calls.iter().rev().find_map(number).or(self.latest_commit);
        self.in_flight.extend(calls);
    }

    /// The number of the commit ahead of the next call, unless every call ahead has its reply.
    pub(super) fn commit_ahead(&self) -> Option<u64> {
        self.latest_commit.filter(|_| !self.in_flight.is_empty())
    }

    pub(super) fn is_idle(&self) -> bool {
        let asks = self.asks_for_lost || !self.lost.is_empty();
        self.queue.is_empty() && self.in_flight.is_empty() && !asks && !self.sending
    }

    /// True if more batches may join those that gather.
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < GATHER_BATCHES
    }

    /// True if the sending thread has gathered for long enough, now that replies have come.
    pub(super) fn wants_sending(&self) -> bool {
        self.gathering && self.in_flight.len() < BUSY
    }

    /// True if the queue may wait: the server has enough to do, and later batches can join in one call.
    pub(super) fn gathers(&self) -> bool {
        self.in_flight.len() >= BUSY && self.has_room() && self.queue.iter().all(|call| call.body.gathers())
    }
}
