//! The end of a connection, and the beginning of the next one. Before any other call, the next connection asks the
//! server about the commits whose replies were lost.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::Value as RespValue;

use super::super::fault::{Loss, unreachable};
use super::super::options::Availability;
use super::answer::when_commit_is_known;
use super::call::SentBody;
use super::connection::Connection;
use super::handshake::{Established, Identity, Kill, establish, pack_kill};
use super::lost_reply::{self, LostReply};
use super::state::LinkInner;
use crate::error::{Error, Result};

/// The pauses between attempts to connect: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause while a caller waits to be told what became of its commit.
const LOST_REPLY_PAUSE: Duration = Duration::from_millis(100);
/// The least time for one attempt to connect.
const MIN_PATIENCE: Duration = Duration::from_millis(50);

/// Answers what was in flight on a lost connection, but for the commits that the next one can ask about.
pub(super) fn give_up(inner: &LinkInner, connection: &Connection, loss: Loss) {
    let mut state = inner.state.lock();
    state.connection = None;
    state.lost_at = Instant::now();
    state.next_expiry = None;
    let in_flight = std::mem::take(&mut state.in_flight);
    // The server has not carried out the calls that were to be sent again.
    state.queue_repeated();
    let sent = connection.sent();
    let deadline = state.lost_at + inner.settings.command_timeout;
    let mut refused = Vec::new();
    for call in in_flight {
        let writes = call.body.writes();
        match call.body {
            // The server does not carry out a command whose end it never got.
            body if call.end > sent => refused.push((body, Loss::of_unsent())),
            SentBody::Commit { writes: batches, number } if writes => {
                let on_reply = when_commit_is_known(inner, batches, number);
                state.lost.push(LostReply { number, on_reply, loss, deadline });
            }
            body => refused.push((body, loss.of_sent(writes))),
        }
    }
    inner.work.notify_one();
    let closed = state.closed;
    drop(state);
    for (body, error) in refused {
        body.refuse(&error);
    }
    inner.quiet.notify_all();
    if !closed {
        inner.tell(|| Availability::Down(loss.of_connection()));
    }
}

/// Tries until there is a connection; `None` once the link is closed. Asks about lost replies before the connection is
/// used.
pub(super) fn connect(
    inner: &LinkInner,
    before: Option<&Identity>,
    again: bool,
) -> Option<(Arc<Connection>, Option<Identity>)> {
    let mut pause = FIRST_PAUSE;
    loop {
        if inner.state.lock().closed {
            give_up_lost(inner);
            return None;
        }
        // An attempt must not outlast the time that a caller of a lost reply waits.
        let patience = match inner.state.lock().lost.first() {
            Some(lost) => {
                let left = lost.deadline.saturating_duration_since(Instant::now());
                left.clamp(MIN_PATIENCE, inner.settings.connect_timeout.max(MIN_PATIENCE))
            }
            None => inner.settings.connect_timeout,
        };
        let established =
            establish(&inner.settings, patience).and_then(|established| ask_about_last(inner, before, established));
        let now = Instant::now();
        if inner.state.lock().lost.first().is_some_and(|lost| lost.deadline <= now) {
            give_up_lost(inner);
        }
        let mut state = inner.state.lock();
        if state.closed {
            drop(state);
            give_up_lost(inner);
            return None;
        }
        match established {
            Ok(established) => {
                inner.use_connection(&mut state, &established);
                drop(state);
                if again {
                    inner.reconnects.one();
                    inner.tell(|| Availability::Up);
                }
                let Established { connection, identity, .. } = established;
                return Some((connection, identity));
            }
            Err(error) => {
                state.failure = Some(error);
                if state.closing && !state.lost.is_empty() {
                    // Whoever closes waits for the answers, and the server is not there.
                    drop(state);
                    give_up_lost(inner);
                    continue;
                }
                let until = Instant::now() + jitter(pause);
                while !state.closed && !inner.quiet.wait_until(&mut state, until).timed_out() {}
                pause = (pause * 2).min(if state.lost.is_empty() { MAX_PAUSE } else { LOST_REPLY_PAUSE });
            }
        }
    }
}

/// Has the server end the connection `before`, so that it carries out nothing more of it, and asks about lost replies.
fn ask_about_last(inner: &LinkInner, before: Option<&Identity>, established: Established) -> Result<Established> {
    let newest_kept = inner.newest_kept.load(Ordering::Relaxed);
    let mut pipe = redis::pipe();
    let kill = pack_kill(&mut pipe, before, established.identity.as_ref());
    let lost = {
        let mut state = inner.state.lock();
        state.asks_for_lost = true;
        std::mem::take(&mut state.lost)
    };
    if !lost.is_empty() {
        lost_reply::pack_question(&mut pipe, inner.encoder.client(), &lost, newest_kept);
    }
    let deadline = lost.first().map_or(Instant::now() + inner.settings.connect_timeout, |lost| lost.deadline);
    let replies = if pipe.is_empty() { Ok(Vec::new()) } else { established.connection.round_trip(&pipe, deadline) };
    let result = match replies {
        Ok(replies) => {
            let mut replies = replies.into_iter();
            let killed = kill != Kill::Nothing && matches!(replies.next(), Some(RespValue::Int(_)));
            lost_reply::resolve(lost, newest_kept, killed && kill == Kill::SameProcess, replies.next());
            Ok(established)
        }
        Err(error) => {
            inner.state.lock().lost = lost;
            let cause = Error::io("asking what became of the last connection", &error);
            Err(unreachable(&inner.settings.address, Some(&cause)))
        }
    };
    inner.state.lock().asks_for_lost = false;
    inner.quiet.notify_all();
    result
}

/// Tells the callers of lost replies that the outcome is unknown.
pub(super) fn give_up_lost(inner: &LinkInner) {
    let lost = std::mem::take(&mut inner.state.lock().lost);
    lost.into_iter().for_each(LostReply::give_up);
    inner.quiet.notify_all();
}

/// A time between half of `pause` and all of it, so that many clients do not return at once.
fn jitter(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().build_hasher().finish() % 1000).unwrap_or(0);
    pause / 2 + pause.mul_f64(f64::from(random) / 2000.0)
}
