//! The sending thread: it encodes what has gathered while other calls were in flight, and sends it at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::super::fault::Loss;
use super::super::pending_write::PendingWrite;
use super::call::{CallBody, InFlightCall, QueuedCall, SentBody};
use super::state::{LinkInner, LinkState};

/// Calls and bytes sent at once at most, but for the call that crosses the line.
const MAX_CALLS: usize = 1024;
const MAX_BYTES: usize = 1 << 20;

/// Sends what has gathered, again and again, until the link is closed.
pub(super) fn run(inner: &LinkInner) {
    let mut state = inner.state.lock();
    loop {
        state.woken = false;
        if state.closed {
            drop(state);
            return inner.refuse_queue();
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
        if state.repeat.is_some() {
            // The calls in flight come first, and then those of them that are sent again.
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
        let (from, before) = (state.end, state.commit_ahead());
        state.sending = true;
        drop(state);
        let (bytes, in_flight) = encode(inner, calls, from, before);
        state = inner.state.lock();
        if !state.connection.as_ref().is_some_and(|now| Arc::ptr_eq(now, &connection)) {
            state.sending = false;
            state.queue_repeated();
            drop(state);
            for call in in_flight {
                call.body.refuse(&Loss::of_unsent());
            }
            state = inner.state.lock();
            continue;
        }
        state.add_in_flight(&bytes, in_flight);
        drop(state);
        if connection.send(&bytes).is_err() {
            connection.shut();
        }
        state = inner.state.lock();
        state.sending = false;
        state.queue_repeated();
    }
}

/// Without a connection: fails the calls that have waited too long, or waits until the next one has.
fn fail_old_calls(inner: &LinkInner, state: &mut MutexGuard<'_, LinkState>) {
    let now = Instant::now();
    if let Some(expiry) = state.next_expiry
        && now < expiry
    {
        inner.work.wait_until(state, expiry);
        return;
    }
    let queue = std::mem::take(&mut state.queue);
    let patience = |call: &QueuedCall| inner.patience(state, call.since);
    let (old, rest): (VecDeque<_>, VecDeque<_>) = queue.into_iter().partition(|call| patience(call) <= now);
    let next_expiry = rest.iter().map(patience).min();
    state.next_expiry = next_expiry;
    state.queue = rest;
    if old.is_empty() {
        if state.next_expiry.is_none() {
            inner.quiet.notify_all();
            inner.work.wait(state);
        }
        return;
    }
    let error = inner.no_connection(state);
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

/// The bytes of `calls`, and the replies to expect for them, from position `end` of the stream on. `before`: the number
/// of the commit ahead of them, if calls are in flight.
pub(super) fn encode(
    inner: &LinkInner,
    calls: Vec<QueuedCall>,
    mut end: u64,
    mut before: Option<u64>,
) -> (Vec<u8>, Vec<InFlightCall>) {
    let mut bytes = Vec::with_capacity(calls.iter().map(|call| call.body.size()).sum::<usize>() + 64);
    let mut in_flight = Vec::with_capacity(calls.len());
    let mut gathered: Vec<PendingWrite> = Vec::new();
    let since = Instant::now();
    let mut calls = calls.into_iter().peekable();
    while let Some(QueuedCall { body, since: made }) = calls.next() {
        let from = bytes.len();
        let (missing, body) = match body {
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
                // With its source, the script is carried out in any case.
                let behind = before.filter(|_| !with_source);
                let number = inner.encoder.encode(&writes, with_source, behind, &mut bytes);
                before = Some(number);
                (1, SentBody::Commit { writes, number })
            }
            CallBody::Commands(commands) => {
                bytes.extend_from_slice(&commands.bytes);
                (commands.replies, SentBody::Commands(commands))
            }
        };
        end += (bytes.len() - from) as u64;
        let replies = Vec::with_capacity(missing);
        in_flight.push(InFlightCall { end, missing, replies, made, since, body });
    }
    (bytes, in_flight)
}
