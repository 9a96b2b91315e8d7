//! Answers the callers of a call by its replies.

use std::iter::repeat_with;
use std::sync::atomic::Ordering;

use redis::Value as RespValue;

use super::super::outcome::results;
use super::super::pending_write::{PendingWrite, answer_all};
use super::call::{OnReply, SentBody, deliver};
use super::state::LinkInner;
use crate::error::{Code, Error, Result};

/// Answers a call by its replies.
pub(super) fn answer(inner: &LinkInner, body: SentBody, replies: Vec<RespValue>) {
    match body {
        SentBody::Commands(commands) => deliver(commands.on_reply, Ok(replies)),
        SentBody::Commit { writes, number } => answer_commit(inner, writes, number, Ok(replies)),
    }
}

/// Receives the reply to a commit that was lost with its connection.
pub(super) fn when_commit_is_known(inner: &LinkInner, writes: Vec<PendingWrite>, number: u64) -> OnReply {
    let (me, stamps) = (inner.me.clone(), inner.settings.timestamps);
    Box::new(move |replies| match (me.upgrade(), replies) {
        (Some(inner), replies) => answer_commit(&inner, writes, number, replies),
        (None, Err(error)) => answer_all(writes, repeat_with(|| Err(error.clone()))),
        (None, Ok(mut replies)) => {
            let results = results(&writes, replies.pop().unwrap_or_default(), stamps, &mut false);
            answer_all(writes, results.into_iter());
        }
    })
}

/// Answers the batches of one call by its reply.
fn answer_commit(inner: &LinkInner, writes: Vec<PendingWrite>, number: u64, replies: Result<Vec<RespValue>>) {
    let reply = match replies {
        Ok(mut replies) => replies.pop().unwrap_or_default(),
        Err(error) => return answer_all(writes, repeat_with(|| Err(error.clone()))),
    };
    let mut met_replacement = false;
    let results = results(&writes, reply, inner.settings.timestamps, &mut met_replacement);
    inner.counters.group(&results);
    if met_replacement {
        inner.met_replacement.store(true, Ordering::Relaxed);
    }
    let shows_rights = |result: &Result<_>| {
        result.as_ref().is_err_and(|error: &Error| matches!(error.code(), Code::Io | Code::UnknownOutcome))
    };
    if results.iter().any(shows_rights) {
        inner.ask_for_rights();
    }
    let was_kept = |(write, result): (&PendingWrite, &Result<_>)| result.is_ok() && !write.batch.ops.is_empty();
    if writes.iter().zip(&results).any(was_kept) {
        inner.encoder.has_committed();
        inner.newest_kept.fetch_max(number, Ordering::Relaxed);
    }
    answer_all(writes, results.into_iter());
}
