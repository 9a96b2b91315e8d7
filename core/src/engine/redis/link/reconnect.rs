//! The end of a connection, and the beginning of the next one. Before any other call, the next connection asks the
//! server about the commits whose replies were lost.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::Value as RespValue;

use super::super::fault::Loss;
use super::call::InFlightCall;
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
pub(super) fn give_up(inner: &LinkInner, connection: &Connection, loss: Loss) -> Vec<LostReply> {
    let mut state = inner.state.lock();
    state.connection = None;
    let in_flight = std::mem::take(&mut state.in_flight);
    let sent = connection.sent();
    let was_sent = |call: &InFlightCall| call.end <= sent;
    state.lost_replies = in_flight.iter().filter(|call| was_sent(call) && call.write && call.number.is_some()).count();
    inner.work.notify_one();
    drop(state);
    let deadline = Instant::now() + inner.settings.command_timeout;
    let mut lost_replies = Vec::new();
    for call in in_flight {
        match call.number {
            // The server does not carry out a command whose end it never got.
            _ if !was_sent(&call) => call.fail(Loss::of_unsent()),
            Some(number) if call.write => {
                lost_replies.push(LostReply { number, on_reply: call.on_reply, loss, deadline });
            }
            _ => {
                let error = loss.of_sent(call.write);
                call.fail(error);
            }
        }
    }
    inner.quiet.notify_all();
    lost_replies
}

/// Tries until there is a connection; `None` once the link is closed. Asks about `lost` before the connection is used.
pub(super) fn connect_again(
    inner: &LinkInner,
    before: Option<&Identity>,
    mut lost: Vec<LostReply>,
) -> Option<(Arc<Connection>, Option<Identity>)> {
    let mut pause = FIRST_PAUSE;
    loop {
        if inner.state.lock().closed {
            give_up_lost(inner, &mut lost);
            return None;
        }
        // An attempt must not outlast the time that a caller of a lost reply waits.
        let patience = lost.first().map_or(inner.settings.connect_timeout, |lost| {
            let left = lost.deadline.saturating_duration_since(Instant::now());
            left.clamp(MIN_PATIENCE, inner.settings.connect_timeout.max(MIN_PATIENCE))
        });
        let established = establish(&inner.settings, patience)
            .and_then(|established| ask_about_last(inner, before, established, &mut lost));
        let now = Instant::now();
        if lost.first().is_some_and(|lost| lost.deadline <= now) {
            give_up_lost(inner, &mut lost);
        }
        let mut state = inner.state.lock();
        if state.closed {
            drop(state);
            give_up_lost(inner, &mut lost);
            return None;
        }
        match established {
            Ok(Established { connection, identity }) => {
                state.end = connection.sent();
                state.connection = Some(connection.clone());
                state.failure = None;
                inner.reconnects.one();
                inner.work.notify_one();
                return Some((connection, identity));
            }
            Err(error) => {
                state.failure = Some(error);
                if state.closing && !lost.is_empty() {
                    // Whoever closes waits for the answers, and the server is not there.
                    drop(state);
                    give_up_lost(inner, &mut lost);
                    continue;
                }
                let until = Instant::now() + jitter(pause);
                while !state.closed && !inner.quiet.wait_until(&mut state, until).timed_out() {}
                pause = (pause * 2).min(if lost.is_empty() { MAX_PAUSE } else { LOST_REPLY_PAUSE });
            }
        }
    }
}

/// Has the server end the connection `before`, so that it carries out nothing more of it, and asks about `lost`.
fn ask_about_last(
    inner: &LinkInner,
    before: Option<&Identity>,
    established: Established,
    lost: &mut Vec<LostReply>,
) -> Result<Established> {
    let newest_kept = inner.newest_kept.load(Ordering::Relaxed);
    let mut pipe = redis::pipe();
    let kill = pack_kill(&mut pipe, before, established.identity.as_ref());
    if !lost.is_empty() {
        lost_reply::pack_question(&mut pipe, inner.encoder.client(), lost, newest_kept);
    }
    if pipe.is_empty() {
        return Ok(established);
    }
    let deadline = lost.first().map_or(Instant::now() + inner.settings.connect_timeout, |lost| lost.deadline);
    let mut replies = established
        .connection
        .round_trip(&pipe, deadline)
        .map_err(|error| Error::io("asking what became of the last connection", &error))?
        .into_iter();
    let killed = kill != Kill::Nothing && matches!(replies.next(), Some(RespValue::Int(_)));
    let answer = replies.next();
    resolve_lost(inner, lost, |lost| {
        lost_reply::resolve(lost, newest_kept, killed && kill == Kill::SameProcess, answer);
    });
    Ok(established)
}

/// Answers the callers of `lost` by `resolve`.
fn resolve_lost(inner: &LinkInner, lost: &mut Vec<LostReply>, resolve: impl FnOnce(Vec<LostReply>)) {
    if lost.is_empty() {
        return;
    }
    resolve(std::mem::take(lost));
    inner.state.lock().lost_replies = 0;
    inner.quiet.notify_all();
}

/// Tells the callers of `lost` that the outcome is unknown.
fn give_up_lost(inner: &LinkInner, lost: &mut Vec<LostReply>) {
    resolve_lost(inner, lost, |lost| lost.into_iter().for_each(LostReply::give_up));
}

/// A time between half of `pause` and all of it, so that many clients do not return at once.
fn jitter(pause: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().build_hasher().finish() % 1000).unwrap_or(0);
    pause / 2 + pause.mul_f64(f64::from(random) / 2000.0)
}
