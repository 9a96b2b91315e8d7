//! The state that callers and the two threads of a link share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use super::super::options::Settings;
use super::super::write::CommitEncoder;
use super::call::{InFlightCall, QueuedCall};
use super::connection::Connection;
use crate::engine::Counters;
use crate::engine::counters::Counter;
use crate::error::Error;
use crate::format::redis::Layout;

/// While this many calls are in flight, small batches gather until there are [`GATHER_BATCHES`]: one call of the script
/// costs the server as much as twenty rows of it.
const BUSY: usize = 2;
const GATHER_BATCHES: usize = 64;

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
    /// Commits whose replies were lost with a connection, and about which the server has not been asked yet.
    pub lost_replies: usize,
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
}

impl LinkInner {
    pub(super) fn new(settings: &Settings, connection: Arc<Connection>) -> Arc<Self> {
        Arc::new_cyclic(|me| LinkInner {
            settings: settings.clone(),
            encoder: CommitEncoder::new(Layout::new(&settings.key_prefix), settings.timestamps),
            counters: Counters::default(),
            reconnects: Counter::default(),
            newest_kept: AtomicU64::new(0),
            met_replacement: AtomicBool::new(false),
            me: me.clone(),
            state: Mutex::new(LinkState {
                end: connection.sent(),
                connection: Some(connection),
                queue: VecDeque::new(),
                in_flight: VecDeque::new(),
                lost_replies: 0,
                sending: false,
                woken: false,
                gathering: false,
                closing: false,
                closed: false,
                failure: None,
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

    /// Wakes the sending thread, unless it works or was woken.
    pub(super) fn wake_sender(&self, state: &mut LinkState) {
        if !state.sending && !state.woken {
            state.woken = true;
            self.work.notify_one();
        }
    }
}

impl LinkState {
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty() && self.lost_replies == 0 && !self.sending
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
