//! The sending thread: it encodes what has gathered while other calls were in flight, and sends it at once.

use std::collections::VecDeque;
use std::iter::repeat_with;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::MutexGuard;
use redis::{ServerErrorKind, Value as RespValue};

use super::super::fault::{Loss, closed, unreachable};
use super::super::outcome::results;
use super::super::pending_write::{PendingWrite, answer_all};
use super::call::{CallBody, InFlightCall, OnReply, QueuedCall};
use super::state::{LinkInner, LinkState};
use crate::error::Result;

/// Calls and bytes sent at once at most, but for the call that crosses the line.
const MAX_CALLS: usize = 1024;
const MAX_BYTES: usize = 1 << 20;

/// Sends what has gathered, again and again, until the link is closed.
pub(super) fn run(inner: &LinkInner) {
    let mut state = inner.state.lock();
    loop {
        state.woken = false;
        if state.closed {
            return;
        }
        let Some(connection) = state.connection.clone() else {
            fail_old_calls(inner, &mut state);
            continue;
        };
        if state.queue.is_empty() {
            inner.quiet.notify_all();
            inner.work.wait(&mut state);
            continue;
        }
        if state.gathers() {
            state.gathering = true;
            inner.work.wait(&mut state);
            state.gathering = false;
            continue;
        }
        let calls = take_calls(&mut state.queue);
        let from = state.end;
        state.sending = true;
        drop(state);
        let (bytes, in_flight) = encode(inner, calls, from);
        state = inner.state.lock();
        if !state.connection.as_ref().is_some_and(|now| Arc::ptr_eq(now, &connection)) {
            state.sending = false;
            drop(state);
            for call in in_flight {
                call.fail(Loss::of_unsent());
            }
            state = inner.state.lock();
            continue;
        }
        state.end += bytes.len() as u64;
        state.in_flight.extend(in_flight);
        drop(state);
        if connection.send(&bytes).is_err() {
            connection.shut();
        }
        state = inner.state.lock();
        state.sending = false;
    }
}

/// Without a connection: fails the calls that have waited too long, or waits until the next one has.
fn fail_old_calls(inner: &LinkInner, state: &mut MutexGuard<'_, LinkState>) {
    let now = Instant::now();
    let patience = inner.settings.connect_timeout;
    let mut old = Vec::new();
    while state.queue.front().is_some_and(|call| call.since + patience <= now) {
        old.extend(state.queue.pop_front());
    }
    if old.is_empty() {
        match state.queue.front().map(|call| call.since + patience) {
            Some(deadline) => {
                inner.work.wait_until(state, deadline);
            }
            None => {
                inner.quiet.notify_all();
                inner.work.wait(state);
            }
        }
        return;
    }
    let error = unreachable(&inner.settings.address, state.failure.as_ref());
    MutexGuard::unlocked(state, || {
        for call in old {
            call.body.refuse(error.clone());
        }
    });
}

fn take_calls(queue: &mut VecDeque<QueuedCall>) -> Vec<QueuedCall> {
    let mut bytes = 0;
    let mut count = 0;
    while count < MAX_CALLS
        && bytes < MAX_BYTES
        && let Some(call) = queue.get(count)
    {
        bytes += call.body.size();
        count += 1;
    }
    queue.drain(..count).collect()
}

/// The bytes of `calls`, and the replies to expect for them, from position `end` of the stream on.
pub(super) fn encode(inner: &LinkInner, calls: Vec<QueuedCall>, mut end: u64) -> (Vec<u8>, Vec<InFlightCall>) {
    let mut bytes = Vec::with_capacity(calls.iter().map(|call| call.body.size()).sum::<usize>() + 64);
    let mut in_flight = Vec::with_capacity(calls.len());
    let mut gathered: Vec<PendingWrite> = Vec::new();
    let since = Instant::now();
    let mut calls = calls.into_iter().peekable();
    while let Some(call) = calls.next() {
        let from = bytes.len();
        let (missing, write, number, on_reply) = match call.body {
            CallBody::Commit { write, with_source } => {
                let next = calls.peek();
                let alone = with_source || !inner.encoder.is_blind(&write);
                gathered.push(write);
                if !alone
                    && let Some(QueuedCall { body: CallBody::Commit { write, with_source: false }, .. }) = next
                    && inner.encoder.is_blind(write)
                {
                    continue;
                }
                let writes = std::mem::take(&mut gathered);
                let number = inner.encoder.encode(&writes, with_source, &mut bytes);
                let writes_something = writes.iter().any(|write| !write.batch.ops.is_empty());
                (1, writes_something, Some(number), on_commit_reply(inner, writes, number))
            }
            CallBody::Commands { bytes: packed, replies, write, on_reply } => {
                bytes.extend_from_slice(&packed);
                (replies, write, None, on_reply)
            }
        };
        end += (bytes.len() - from) as u64;
        let replies = Vec::with_capacity(missing);
        in_flight.push(InFlightCall { end, missing, replies, since, write, number, on_reply });
    }
    (bytes, in_flight)
}

/// Answers the batches of one call by its reply.
fn on_commit_reply(inner: &LinkInner, writes: Vec<PendingWrite>, number: u64) -> OnReply {
    let me = inner.me.clone();
    Box::new(move |replies| match replies.map(|mut replies| replies.pop()) {
        Err(error) => answer_all(writes, repeat_with(|| Err(error.clone()))),
        // Nothing was done yet: the batches can be sent again, with the source of the script.
        Ok(Some(RespValue::ServerError(error))) if error.kind() == Some(ServerErrorKind::NoScript) => {
            match me.upgrade() {
                Some(inner) => send_with_source(&inner, writes),
                None => answer_all(writes, repeat_with(|| Err(closed()))),
            }
        }
        Ok(reply) => {
            let mut met_replacement = false;
            let results = results(&writes, reply.unwrap_or_default(), &mut met_replacement);
            let was_kept = |(write, result): (&PendingWrite, &Result<_>)| result.is_ok() && !write.batch.ops.is_empty();
            if let Some(inner) = me.upgrade() {
                inner.counters.group(&results);
                if met_replacement {
                    inner.met_replacement.store(true, Ordering::Relaxed);
                }
                if writes.iter().zip(&results).any(was_kept) {
                    inner.newest_kept.fetch_max(number, Ordering::Relaxed);
                }
            }
            answer_all(writes, results.into_iter());
        }
    })
}

/// Queues batches before all other calls, in their order.
fn send_with_source(inner: &LinkInner, writes: Vec<PendingWrite>) {
    let mut state = inner.state.lock();
    if state.closed {
        drop(state);
        return answer_all(writes, repeat_with(|| Err(closed())));
    }
    let goes_first = |call: &&QueuedCall| matches!(call.body, CallBody::Commit { with_source: true, .. });
    let from = state.queue.iter().take_while(goes_first).count();
    for (index, write) in (from..).zip(writes) {
        let call = QueuedCall { body: CallBody::Commit { write, with_source: true }, since: Instant::now() };
        state.queue.insert(index, call);
    }
    inner.wake_sender(&mut state);
}
