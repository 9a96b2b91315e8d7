//! Calls that are sent again, because the server has not carried them out.
//!
//! A server may forget the script that commits (`SCRIPT FLUSH`, eviction). It refuses a commit then, but it has already
//! got the calls behind that one, and carries them out. So:
//!
//! - A commit that is sent while calls are in flight names the commit ahead of it. The script refuses it unless it has
//!   carried out that one, even if another client has brought the script back in between.
//! - Behind a commit that was refused so, nothing new is sent until every call in flight has its reply. Reads that came
//!   behind the commit are then sent again together with it, in their order.
//!
//! A server that has become a replica refuses commits. They are sent again over the next connection, because the
//! address may lead to the new primary by then.

use std::time::{Duration, Instant};

use redis::{ServerErrorKind, Value as RespValue};

use super::super::fault::word;
use super::super::outcome::is_out_of_order;
use super::call::{CallBody, Effect, InFlightCall, QueuedCall, SentBody};
use super::state::LinkState;

/// How long a server that turned out to be a replica is believed to stay one.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);

/// The calls that are to be sent again, in their order. They have not been carried out, or have only read.
pub(super) struct Repeat {
    calls: Vec<QueuedCall>,
    /// The reason why the first of them was refused.
    reason: Refusal,
}

impl LinkState {
    /// Takes a call in flight that has all its replies. Returns it if it is answered by them.
    pub(super) fn settle(&mut self, call: InFlightCall) -> Option<(SentBody, Vec<RespValue>)> {
        let InFlightCall { replies, made, body, .. } = call;
        let refusal = matches!(body, SentBody::Commit { .. }).then(|| refusal(&replies)).flatten();
        let refusal = refusal.filter(|refusal| match &self.repeat {
            Some(repeat) => *refusal != Refusal::Replica || repeat.reason == Refusal::Replica,
            None => *refusal != Refusal::Replica || self.renewed_at.is_none_or(|at| at.elapsed() > RENEWAL_PAUSE),
        });
        if let (None, Some(reason)) = (&self.repeat, refusal) {
            self.repeat = Some(Repeat { calls: Vec::new(), reason });
        }
        let Some(repeat) = &mut self.repeat else { return Some((body, replies)) };
        let queued = |body| QueuedCall { body, since: made };
        match body {
            SentBody::Commands(commands) if commands.effect == Effect::Read => {
                repeat.calls.push(queued(CallBody::Commands(commands)));
            }
            SentBody::Commit { writes, .. } if refusal.is_some() => {
                for write in writes {
                    // The first call brings a forgotten script back for the others.
                    let with_source = repeat.reason != Refusal::Forgotten || repeat.calls.is_empty();
                    repeat.calls.push(queued(CallBody::Commit { write, with_source }));
                }
            }
            body => return Some((body, replies)),
        }
        None
    }

    /// Queues the calls that are sent again ahead of all others, once nothing is in flight. True if there are any.
    pub(super) fn queue_repeated(&mut self) -> bool {
        if !self.in_flight.is_empty() || self.sending {
            return false;
        }
        let Some(Repeat { calls, reason }) = self.repeat.take() else { return false };
        for call in calls.into_iter().rev() {
            self.queue.push_front(call);
        }
        if reason == Refusal::Replica
            && let Some(connection) = self.connection.take()
        {
            // The receiving thread makes the next one.
            self.renewed_at = Some(Instant::now());
            connection.shut();
        }
        true
    }
}

/// The reason why the server has not carried out a commit that can be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Forgotten,
    OutOfOrder,
    Replica,
}

fn refusal(replies: &[RespValue]) -> Option<Refusal> {
    match replies {
        [RespValue::ServerError(error)] if error.kind() == Some(ServerErrorKind::NoScript) => Some(Refusal::Forgotten),
        [RespValue::ServerError(error)] if word(error) == "READONLY" => Some(Refusal::Replica),
        [reply] if is_out_of_order(reply) => Some(Refusal::OutOfOrder),
        _ => None,
    }
}
